// Goal: a ticket lets one in, whoever asks at once, from wherever, and whoever owns the show; and a gate that has only
// the published key tells true tickets. Method: many scans at once over HTTP and a real store, restarts and a crash
// while scans are under way; the audit after each.

import { setImmediate as nextTick } from "node:timers/promises";
import { compactVerify, createLocalJWKSet, type JSONWebKeySet } from "jose";
import t from "tap";
import { auditCell } from "../../allocator/journal/audit.ts";
import { startSingleNode } from "../../cli/single-node.ts";
import { issueToken } from "../../cli/token.ts";
import { GATEWAY_LIMITS } from "../../gateway/config.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { Command } from "../../shared/protocol/command.ts";
import type { Reply } from "../../shared/protocol/reply.ts";
import {
  ASK_MS,
  bySeats,
  confirm,
  holdIdOf,
  newOperation,
  newSession,
  placeHold,
  putOnSale,
  startNode,
  wordOf,
} from "../harness/allocator.ts";
import { startTestPostgres, type TestDatabase } from "../harness/postgres.ts";

const SCANS = 50;

const pg = await startTestPostgres(t);

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any;
}

const open = (databaseUrl: string) =>
  startSingleNode({
    databaseUrl,
    gateway: { host: "127.0.0.1", port: 0, limits: GATEWAY_LIMITS },
    payments: undefined,
    payTtlMs: 10_000,
    releaseOnDecline: true,
    cancelUntilMs: 3_600_000,
    holdTtlMs: 60_000,
    graceMs: 0,
    offerTtlMs: 10_000,
    version: "0",
    log: silentLog(),
  });

/** Asks as whoever has the token. */
const asker =
  (url: string, token: string) =>
  async (method: string, path: string, key: string, body?: unknown): Promise<Answer> => {
    const response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        "x-idempotency-key": key,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: await response.json() };
  };

async function clean(t: { same(found: unknown, wanted: unknown): unknown }, { pool }: TestDatabase): Promise<void> {
  t.same((await auditCell(pool, pool)).problems, []);
}

t.test("fifty scans at once: one is valid, and stays the one after a restart", async (t) => {
  const database = await pg.freshDatabase();
  const [showId = ""] = await putOnSale(database.pool);
  const node = await open(database.url);
  let stop = () => node.stop();
  t.teardown(() => stop());
  const { token } = (await (await fetch(`${node.url}/v1/sessions`, { method: "POST" })).json()) as { token: string };
  const guest = asker(node.url, token);
  const lock = (await guest("POST", "/v1/bookings/lock", "l", { showtime_id: showId, quantity: 2 })).body;
  const booked = await guest("POST", "/v1/bookings/confirm", "c", {
    lock_id: lock.lock_id,
    payment_token: "pm_card_visa",
  });
  t.equal(booked.status, 200);
  const [ticket, other] = booked.body.tickets as { seat: string; token: string }[];
  const gates = await Promise.all(["north", "south", "east"].map(() => issueToken(database.pool, ["gate"], 600)));
  const scan = (url: string, i: number, token: string | undefined) =>
    asker(url, gates[i % 3] ?? "")("POST", "/v1/tickets/verify", `scan-${i}`, {
      ...{ token, show_id: showId, gate: `gate ${i % 3}` },
    });
  t.equal((await guest("POST", "/v1/tickets/verify", "g", { token: "x", show_id: showId, gate: "g" })).status, 403);

  const scans = await Promise.all(Array.from({ length: SCANS }, (_, i) => scan(node.url, i, ticket?.token)));
  const results = scans.map(({ body }) => body.result);
  t.equal(results.filter((result) => result === "valid").length, 1);
  t.equal(results.filter((result) => result === "already_used").length, SCANS - 1);
  const winner = results.indexOf("valid");
  const { first_used_at, first_used_gate } = scans[winner]?.body ?? {};
  t.equal(first_used_gate, `gate ${winner % 3}`);
  for (const { body } of scans) t.match(body, { seat: ticket?.seat, first_used_at, first_used_gate });

  const keys = (await (await fetch(`${node.url}/v1/tickets/keys`)).json()) as JSONWebKeySet;
  await node.stop();
  await clean(t, database);
  const next = await open(database.url);
  stop = () => next.stop();
  t.match(await scan(next.url, winner, ticket?.token), { body: { result: "valid", first_used_at } });
  t.match(await scan(next.url, SCANS + 1, ticket?.token), { body: { result: "already_used", first_used_gate } });
  const read = await asker(next.url, token)("GET", `/v1/bookings/${lock.lock_id}`, "r");
  t.match(read.body.tickets, [
    { seat: ticket?.seat, token: ticket?.token, used_at: first_used_at },
    { seat: other?.seat, token: other?.token, used_at: null },
  ]);
  t.same(await (await fetch(`${next.url}/v1/tickets/keys`)).json(), keys, "the key is made once");
  t.match(await scan(next.url, SCANS + 2, other?.token), { body: { result: "valid", seat: other?.seat } });

  // Without a network: nothing but the key.
  const known = createLocalJWKSet(keys);
  for (const { seat, token } of [ticket, other] as { seat: string; token: string }[]) {
    const { payload } = await compactVerify(token, known);
    const claims = { booking_id: lock.lock_id, show_id: showId, seat };
    t.strictSame(JSON.parse(Buffer.from(payload).toString("utf8")), claims);
  }
});

t.test("scans under way when the owner crashes: asked again, one of them was let in", async (t) => {
  const database = await pg.freshDatabase();
  const showIds = await putOnSale(database.pool, { shows: 8 });
  const first = await startNode(t, database, "first");
  const scans: { showId: ShowId; command: Command }[] = [];
  for (const showId of showIds) {
    const session = newSession();
    const hold = placeHold(bySeats(0), session);
    const bookingId = holdIdOf(showId, hold);
    t.equal(wordOf(await first.port.ask(showId, hold, ASK_MS)), "held");
    t.equal(wordOf(await first.port.ask(showId, confirm(bookingId, session), ASK_MS)), "booked");
    for (let i = 0; i < SCANS; i += 1) {
      const gate = `gate ${i}`;
      scans.push({ showId, command: { kind: "UseTicket", operation: newOperation(), bookingId, seat: 0, gate } });
    }
  }
  const heard = new Map<number, string>();
  const send = (from: number, to: number) =>
    scans.slice(from, to).map(async ({ showId, command }, i) => {
      heard.set(from + i, wordOf(await first.port.ask(showId, command, ASK_MS)));
    });
  // Half of the shows have been answered; of the others some are in a commit, and nobody hears of it.
  await Promise.all(send(0, scans.length / 2));
  void send(scans.length / 2, scans.length);
  await nextTick();
  first.crash();
  const second = await startNode(t, database, "second");
  const again = await Promise.all(scans.map(({ showId, command }) => second.port.ask(showId, command, ASK_MS)));
  for (const showId of showIds) {
    const words = again.filter((_, i) => scans[i]?.showId === showId).map(wordOf);
    t.equal(words.filter((word) => word === "booked").length, 1, `${showId}: one was let in`);
    t.equal(words.filter((word) => word === "ticket_used").length, SCANS - 1);
  }
  t.equal(heard.size, scans.length / 2);
  for (const [i, word] of heard) t.equal(wordOf(again[i] as Reply), word, "what was answered stays so");
  await second.stop();
  await clean(t, database);
});
