// E-tickets: as QR codes for who booked, the public key for gates without a network, and the gate's own question.
// T1: only the show's turn says `valid`, and once: whatever this gateway knows by itself can only say no.
// T2: whoever asks about a token that is not one of ours learns nothing: no booking, no show.

import { z } from "@hono/zod-openapi";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { isShowId } from "../../shared/kernel/ids.ts";
import { TwoGenerationCache } from "../../shared/kernel/two-generation-cache.ts";
import type { BookingView, Reply, TicketUse } from "../../shared/protocol/reply.ts";
import { qrPng, qrSvg } from "../../shared/tickets/qr-code.ts";
import type { Ticket, TicketTokens } from "../../shared/tickets/ticket-tokens.ts";
import { type Answer, bytes, empty, json } from "../http/answer.ts";
import { type Endpoint, endpoint, type Result } from "../http/endpoint.ts";
import { headerOf } from "../http/headers.ts";
import { notFound, type Problem } from "../http/problem.ts";
import { TICKET_CANCELLED } from "../http/refusal.ts";
import { rfc3339 } from "../http/rfc3339.ts";
import type { ShowSeats } from "../show-lookup.ts";
import {
  ASK_DEADLINE_MS,
  asked,
  BOOKING_NOT_FOUND,
  type BookingRouteDependencies,
  findShow,
  otherReply,
  showNamedBy,
} from "./asking.ts";
import { BOOKING_PARAMS } from "./shapes.ts";

export interface TicketDependencies extends BookingRouteDependencies {
  readonly tokens: TicketTokens;
}

export const ticketEndpoints = (dependencies: TicketDependencies): Endpoint[] => [
  keysEndpoint(dependencies),
  qrEndpoint(dependencies),
  verifyEndpoint(dependencies),
];

const KEY = z.object({
  kty: z.string(),
  crv: z.string(),
  x: z.string(),
  kid: z.string(),
  use: z.string(),
  alg: z.string(),
});

const keysEndpoint = ({ tokens }: TicketDependencies): Endpoint =>
  endpoint({
    method: "get",
    path: "/v1/tickets/keys",
    tag: "tickets",
    summary: "The public key of tickets",
    description:
      "A JWK set. A ticket's token is a compact JWS, `EdDSA` by the key of its `kid`, with `booking_id`, `show_id` and `seat`; it is the same whenever it is read. A gate without a network checks the signature, the show and which tickets it has let in itself; that a booking was cancelled, or a ticket used at another gate, only `POST /v1/tickets/verify` knows.",
    access: "public",
    idempotent: false,
    answers: { 200: { description: "The keys", schema: z.object({ keys: z.array(KEY) }) } },
    problems: [],
    handle: () => json(200, { keys: [tokens.jwk] }, { "Cache-Control": "public, max-age=3600" }),
  });

const FORMATS = { svg: "image/svg+xml", png: "image/png" } as const;
const FILE = /^(.+)\.(svg|png)$/s;
/** The code never changes; only its session may keep it. That the booking is cancelled is the gate's business then. */
const QR_CACHING = "private, max-age=3600";
const TICKET_NOT_FOUND = notFound("ticket");

function qrEndpoint({ allocator, shows, tokens }: TicketDependencies): Endpoint {
  const drawn = new TwoGenerationCache<string, Uint8Array>(CODES_MAX);
  return endpoint({
    method: "get",
    path: "/v1/bookings/{booking_id}/tickets/{file}",
    tag: "tickets",
    summary: "A ticket as a QR code",
    description: "`file` is the seat's label with `.svg` or `.png`, percent-encoded: `F12.svg`. The code is the token.",
    access: "session",
    idempotent: false,
    params: BOOKING_PARAMS.extend({ file: z.string().regex(FILE) }),
    answers: {
      200: { description: "The QR code (or `image/png`)", contentType: FORMATS.svg, headers: { ETag: "Its version" } },
      304: { description: "You have it" },
    },
    problems: ["not_booked", "ticket_cancelled", "store_unavailable", "overloaded", "allocators_unreachable"],
    handle: async ({ session, params, context }) => {
      const [, seat = "", format = ""] = FILE.exec(params.file) ?? [];
      const bookingId = params.booking_id;
      const showId = showNamedBy(bookingId);
      const show = await findShow(shows, showId);
      if (show === undefined) return BOOKING_NOT_FOUND;
      const command = { kind: "ReadBooking", session: session.id, bookingId } as const;
      const reply = await allocator.ask(showId, command, ASK_DEADLINE_MS);
      if (reply.kind !== "booking") return otherReply(reply, asked("booking", show));
      const problem = noTicket(reply.booking, show, seat);
      if (problem !== undefined) return problem;
      const token = tokens.of(bookingId, showId, seat);
      return codeOf(drawn, token, format === "png" ? "png" : "svg", headerOf(context, "if-none-match"));
    },
  });
}

function noTicket({ seats, status }: BookingView, { hall }: ShowSeats, seat: string): Problem | undefined {
  const index = hall.seatOf(seat);
  if (index === undefined || !seats.includes(index)) return TICKET_NOT_FOUND;
  if (status === "booked") return undefined;
  if (status === "cancelled") return TICKET_CANCELLED;
  return {
    code: "not_booked",
    more: { booking_status: status },
    detail: `There are tickets once it is booked; this booking is ${status}.`,
  };
}

/** Drawing one takes 3 ms of the thread that all requests share. */
const CODES_MAX = 500;

function codeOf(
  drawn: TwoGenerationCache<string, Uint8Array>,
  token: string,
  format: keyof typeof FORMATS,
  known: string | undefined,
): Answer {
  // The signature names the ticket, and its form the bytes.
  const etag = `"${token.slice(-22)}-${format}"`;
  const headers = { ETag: etag, "Cache-Control": QR_CACHING };
  if (known?.includes(etag)) return empty(304, headers);
  let code = drawn.get(etag);
  if (code === undefined) {
    code = format === "png" ? qrPng(token) : Buffer.from(qrSvg(token));
    drawn.set(etag, code);
  }
  return bytes(200, FORMATS[format], code, headers);
}

const GATE_LENGTH_MAX = 64;

const VERIFY_REQUEST = z
  .strictObject({
    token: z.string().openapi({ description: "As read from the ticket." }),
    show_id: z
      .string()
      .refine((id): id is ShowId => isShowId(id), "must be a show's id")
      .openapi({ pattern: "^[A-Za-z0-9_-]{1,40}$", description: "The show this gate lets in to." }),
    gate: z
      .string()
      .regex(/^[^\p{C}]+$/u, "must be visible text")
      .max(GATE_LENGTH_MAX)
      .openapi({ description: "As the gate calls itself: told to whoever scans the ticket again." }),
  })
  .openapi("VerifyTicket");

const RESULTS = ["valid", "already_used", "cancelled", "wrong_show", "invalid"] as const;

const VERDICT = z
  .object({
    result: z.enum(RESULTS),
    booking_id: z.string().nullable(),
    show_id: z.string().nullable().openapi({ description: "The ticket's own show." }),
    seat: z.string().nullable(),
    first_used_at: z.iso.datetime().nullable(),
    first_used_gate: z.string().nullable(),
  })
  .openapi("TicketVerdict");

const verifyEndpoint = ({ allocator, shows, operations, tokens }: TicketDependencies): Endpoint =>
  endpoint({
    method: "post",
    path: "/v1/tickets/verify",
    tag: "tickets",
    summary: "Let in whoever brings a ticket, once",
    description:
      "Of all that scan one ticket, one hears `valid`; every other `already_used`, with when and where the first was. The same key again hears the same: a gate that had no answer asks again with its key. Only `valid` opens the door.",
    access: "gate",
    idempotent: true,
    body: { schema: VERIFY_REQUEST },
    answers: { 200: { description: "The verdict", schema: VERDICT } },
    problems: [
      "idempotency_key_reused",
      "store_unavailable",
      "overloaded",
      "allocators_unreachable",
      "outcome_pending",
    ],
    handle: async ({ session, key, body }) => {
      const { token, show_id: showId, gate } = body;
      const ticket = tokens.read(token);
      if (ticket === undefined) return INVALID;
      if (ticket.showId !== showId) return verdict("wrong_show", ticket);
      const show = await findShow(shows, showId);
      const seat = show?.hall.seatOf(ticket.seat);
      if (show === undefined || seat === undefined) return INVALID;
      const { bookingId } = ticket;
      const operation = operations.of(session.id, showId, key, ["verify", bookingId, seat, gate]);
      const command = { kind: "UseTicket", operation, bookingId, seat, gate } as const;
      const reply = await allocator.ask(showId, command, ASK_DEADLINE_MS);
      return answerTo(reply, ticket, show, seat);
    },
  });

function answerTo(reply: Reply, ticket: Ticket, show: ShowSeats, seat: number): Result {
  const of = (uses: readonly TicketUse[] | undefined): TicketUse | undefined => uses?.find((use) => use.seat === seat);
  // Whether it happened now or when this key was first sent.
  if (reply.kind === "booking") return verdict("valid", ticket, of(reply.booking.used));
  if (reply.kind === "refused") {
    const { refusal } = reply;
    if (refusal.code === "ticket_used") return verdict("already_used", ticket, of(refusal.uses));
    if (refusal.code === "ticket_cancelled") return verdict("cancelled", ticket);
    // Signed by us, and yet there is no such booking: a copy of this house, or one put back to an earlier day.
    if (refusal.code === "not_found") return INVALID;
  }
  return otherReply(reply, asked("booking", show));
}

function verdict(result: (typeof RESULTS)[number], ticket?: Ticket, use?: TicketUse): Answer {
  return json(200, {
    result,
    booking_id: ticket?.bookingId ?? null,
    show_id: ticket?.showId ?? null,
    seat: ticket?.seat ?? null,
    first_used_at: use === undefined ? null : rfc3339(use.at),
    first_used_gate: use?.gate ?? null,
  });
}

const INVALID = verdict("invalid");
