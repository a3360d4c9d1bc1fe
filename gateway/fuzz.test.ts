// Goal: no body, header or path makes a 5xx, and what is refused changes nothing. Method: arbitrary JSON, and JSON that
// is almost right, on every mutation; the hand-written checks of the hot routes against their schemas.

import fc from "fast-check";
import t from "tap";
import type { SessionId, WaiterId } from "../shared/kernel/ids.ts";
import { type FakeGateway, fakeGateway, SHOW } from "./fake-gateway.ts";
import { safeParse } from "./http/safe-parse.ts";
import { CONFIRM_REQUEST, LOCK_REQUEST, parseConfirmRequest, parseLockRequest } from "./routes/lock-request.ts";

const ID = `${SHOW}.${"x".repeat(22)}`;
const WAITER = `${SHOW}.${"w".repeat(22)}` as WaiterId;

const seats = fc.oneof(
  fc.array(fc.constantFrom("A1", "A2", "B3", "Z9", "", "A1\0", "\ud800"), { maxLength: 12 }),
  fc.jsonValue(),
);

/** Each field is right, nearly right, anything, or missing; and there may be one more. */
const almost = (fields: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<unknown> =>
  fc
    .tuple(
      fc.record(
        Object.fromEntries(
          Object.entries(fields).map(([name, value]) => [
            name,
            fc.oneof({ weight: 3, arbitrary: value }, fc.jsonValue()),
          ]),
        ),
        { requiredKeys: [] },
      ),
      fc.option(fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 1 }), { nil: {}, freq: 4 }),
    )
    .map(([known, other]) => ({ ...known, ...other }));

const lockFields = {
  showtime_id: fc.constantFrom(SHOW, "nothing", "a b"),
  waiter_id: fc.constantFrom(WAITER, "nothing", "", "x".repeat(129)),
  seat_ids: seats,
  quantity: fc.oneof(fc.integer({ min: -1, max: 12 }), fc.double()),
  category: fc.constantFrom("premium", "balcony", "toString"),
  contiguous: fc.boolean(),
  accessible: fc.boolean(),
};
const { showtime_id, waiter_id, seat_ids, quantity, ...wishes } = lockFields;
// Each of the three kinds of lock by itself, and all of them at once.
const lockBody = fc.oneof(
  almost({ showtime_id, seat_ids }),
  almost({ showtime_id, quantity, ...wishes }),
  almost({ showtime_id, waiter_id, seat_ids }),
  almost(lockFields),
);
const joinBody = almost({
  quantity: fc.oneof(fc.integer({ min: -1, max: 12 }), fc.double()),
  categories: fc.array(fc.constantFrom("premium", "standard", "balcony", "", "__proto__"), { maxLength: 4 }),
  accessible: fc.boolean(),
  contiguous: fc.boolean(),
});
const confirmBody = almost({
  lock_id: fc.constantFrom(ID, "nothing", `${SHOW}.`),
  payment_token: fc.constantFrom("pm_card_visa", "", "a b"),
  contact: almost({ email: fc.constantFrom("ann@example.org", "ann", "a@b") }),
});

const verifyBody = almost({
  token: fc.constantFrom("", "x", "a.b.c", `${"a".repeat(90)}.${"b".repeat(90)}.${"c".repeat(86)}`),
  show_id: fc.constantFrom(SHOW, "nothing", "a b"),
  gate: fc.constantFrom("north", "", "a\nb"),
});

/** A full show, and somebody who waits in its line or has an offer: as new before every request. */
const inLine =
  (status: "waiting" | "offered") =>
  ({ allocator, time }: FakeGateway): void => {
    const show = allocator.showOf(SHOW);
    show.seats.fill(1);
    show.line.clear();
    const seats = [0, 10];
    show.line.set(WAITER, {
      id: WAITER,
      showId: SHOW,
      session: "root" as SessionId,
      quantity: seats.length,
      categories: [0, 1],
      accessible: false,
      contiguous: false,
      status,
      version: show.version,
      position: 0,
      estimatedWaitMs: undefined,
      joinedAt: time.now(),
      expiresAt: time.now() + 1,
      offer: status === "offered" ? { seats, total: 2, currency: "USD", expiresAt: time.now() + 1 } : undefined,
      holdId: undefined,
    });
  };
const fullShow = ({ allocator }: FakeGateway): void => {
  const show = allocator.showOf(SHOW);
  show.seats.fill(1);
  show.line.clear();
};

type Route = [method: string, path: string, body: fc.Arbitrary<unknown>, prepare?: (gateway: FakeGateway) => void];

const routes: Route[] = [
  ["POST", "/v1/sessions", almost({})],
  ["POST", "/v1/bookings/lock", lockBody, inLine("offered")],
  ["POST", `/v1/bookings/lock/${ID}/extend`, almost({})],
  ["DELETE", `/v1/bookings/lock/${ID}`, almost({})],
  ["POST", "/v1/bookings/confirm", confirmBody],
  ["POST", `/v1/bookings/${ID}/cancel`, almost({})],
  ["POST", `/v1/shows/${SHOW}/waitlist`, joinBody, fullShow],
  ["PATCH", `/v1/waitlist/${WAITER}`, almost({ quantity: fc.integer({ min: -1, max: 12 }) }), inLine("waiting")],
  ["DELETE", `/v1/waitlist/${WAITER}`, almost({}), inLine("offered")],
  ["POST", `/v1/waitlist/${WAITER}/offer/accept`, almost({ seat_ids: seats }), inLine("offered")],
  ["POST", `/v1/waitlist/${WAITER}/offer/decline`, almost({}), inLine("offered")],
  ["POST", "/v1/tickets/verify", verifyBody],
  ["POST", `/v1/admin/shows/${SHOW}/block`, almost({ seats })],
  ["POST", `/v1/admin/shows/${SHOW}/unblock`, almost({ seats })],
];

async function check(gateway: FakeGateway, token: string, [method, path, , prepare]: Route, body: string) {
  prepare?.(gateway);
  const before = gateway.allocator.showOf(SHOW).version;
  const response = await gateway.ask(method, path, { token, body });
  const text = await response.text();
  if (response.status >= 500) throw new Error(`${response.status} for ${body}: ${text}`);
  if (response.status < 400) return;
  const problem = JSON.parse(text) as Record<string, unknown>;
  const isWhole = problem.status === response.status && typeof problem.code === "string" && problem.detail !== "";
  if (!isWhole) throw new Error(`not a problem: ${text}`);
  if (problem.code === "validation_failed" && !Array.isArray(problem.errors))
    throw new Error(`names no field: ${text}`);
  if (/Invalid |expected /.test(text)) throw new Error(`not in our words: ${text}`);
  if (gateway.allocator.showOf(SHOW).version !== before) throw new Error(`refused, and yet something changed: ${body}`);
}

for (const route of routes) {
  t.test(`${route[0]} ${route[1]}: whatever the body, never a 5xx`, async (t) => {
    const gateway = await fakeGateway();
    const token = await gateway.tokenOf("root", "admin");
    const body = fc.oneof(
      { weight: 4, arbitrary: route[2].map((value) => JSON.stringify(value)) },
      { weight: 2, arbitrary: fc.json() },
      { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
    );
    await fc.assert(
      fc.asyncProperty(body, (text) => check(gateway, token, route, text)),
      { numRuns: 300 },
    );
    t.pass();
  });
}

t.test("whatever the path, query and key, never a 5xx", async (t) => {
  const gateway = await fakeGateway();
  const token = await gateway.tokenOf("root", "admin");
  const part = fc.oneof(fc.constantFrom(SHOW, ID, "%00", "%ff", "..", "%2e%2e", "__proto__"), fc.webSegment());
  const path = fc
    .tuple(
      fc.constantFrom(
        "/v1/bookings/",
        "/v1/waitlist/",
        "/v1/shows/",
        "/v1/bookings/lock/",
        "/v1/admin/shows/",
        "/docs/",
        "/",
      ),
      part,
      fc.constantFrom(
        ...["", "/seatmap", "/waitlist", "/offer/accept", "/offer/decline", "/extend", "/log", "/block"],
        ...["/tickets/A1.svg", "/tickets/%00.png", "/tickets/"],
      ),
      fc.oneof(
        fc.constant(""),
        fc.webQueryParameters().map((query) => `?${query}`),
      ),
      fc.constantFrom("", "?wait=0&after=%F0", "?cursor=%00", "?limit=1e3", "?after=__proto__"),
    )
    .map(([start, middle, end, query, more]) => start + middle + end + (query || more));
  const method = fc.constantFrom("GET", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS");
  const key = fc.string({ unit: "grapheme-ascii", maxLength: 140 }).map((text) => text.trim());
  await fc.assert(
    fc.asyncProperty(method, path, key, async (method, path, key) => {
      const response = await gateway.ask(method, path, { token, key });
      await response.body?.cancel();
      if (response.status >= 500) throw new Error(`${response.status} for ${method} ${path}`);
    }),
    { numRuns: 600 },
  );
  t.pass();
});

t.test("the hand-written checks and the documented schemas give the same verdict", async (t) => {
  const seen = { accepted: 0, refused: 0, offers: 0 };
  const compare = (body: unknown, byHand: boolean, bySchema: boolean) => {
    seen[byHand ? "accepted" : "refused"] += 1;
    if (byHand !== bySchema) throw new Error(`${byHand} by hand, ${bySchema} by schema: ${JSON.stringify(body)}`);
  };
  const anything = (body: fc.Arbitrary<unknown>) => fc.oneof({ weight: 5, arbitrary: body }, fc.jsonValue());
  const parsed = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
  fc.assert(
    fc.property(anything(lockBody), (value) => {
      const body = parsed(value);
      const byHand = parseLockRequest(body);
      compare(body, "body" in byHand, safeParse(LOCK_REQUEST, body).success);
      if ("body" in byHand && byHand.body.waiter_id !== undefined) seen.offers += 1;
    }),
    { numRuns: 5_000 },
  );
  fc.assert(
    fc.property(anything(confirmBody), (value) => {
      const body = parsed(value);
      compare(body, "body" in parseConfirmRequest(body), safeParse(CONFIRM_REQUEST, body).success);
    }),
    { numRuns: 5_000 },
  );
  t.ok(seen.accepted > 100 && seen.refused > 1_000 && seen.offers > 5, JSON.stringify(seen));
});
