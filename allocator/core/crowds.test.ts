// Goal: a crowd that leaves takes several turns, and in between nothing wrong is decided. Method: lines longer than what
// one turn ends, and the unlucky command in the next turn.

import t, { type Test } from "tap";
import { drawnHall } from "../../test/core/drawn-hall.ts";
import {
  at,
  booking,
  on,
  operation,
  placed,
  RULES,
  session,
  T0,
  TERMS,
  waiter,
} from "../../test/core/specification.ts";
import {
  acceptOffer,
  declineOffer,
  joined,
  left,
  offered,
  readWaiter,
  WAITER_TTL,
} from "../../test/core/waitlist-events.ts";
import { SEEN_FOR_MS } from "../../waitlist/core/waiter.ts";
import type { ShowCommand } from "./command.ts";
import { nextAt } from "./due.ts";
import type { ShowEvent } from "./event.ts";
import { LEAVING_PER_TURN_MAX, SKIPS_PER_TURN_MAX } from "./hand-on.ts";
import { violations } from "./invariants.ts";
import type { ShowState } from "./state.ts";
import { takeTurn } from "./turn.ts";

const CROWD = LEAVING_PER_TURN_MAX + 200;
const row = { hall: drawnHall("aaaa") };
const crowd = (count: number, more: object = {}) =>
  Array.from({ length: count }, (_, i) => joined(`x${i}`, `s${i}`, 3, more));
const take = (state: ShowState, command: ShowCommand, now: number) =>
  takeTurn(state, command, { now, rules: { ...RULES, instantPayments: true }, paymentsAvailable: true, looked: true });

/** Ticks until nothing is due; every event of them. */
function drain(t: Test, state: ShowState, now: number): ShowEvent[] {
  const events: ShowEvent[] = [];
  for (let turns = 0; nextAt(state) <= now; turns += 1) {
    if (turns > 100) t.fail("there is always something due");
    events.push(...take(state, { kind: "Tick" }, now).events);
  }
  t.same(violations(state), []);
  return events;
}
const release = (key: string, by: string): ShowCommand => ({
  kind: "ReleaseHold",
  session: session(by),
  operation: operation("release"),
  bookingId: booking(key),
});

t.test("nothing is sold once sales are over, however many are still to be told", async (t) => {
  const cutoff = T0 + 10_000;
  const past = [placed("h", "bob", [0, 1]), joined("w", "ann", 2), offered("w", [2, 3]), ...crowd(CROWD)];
  for (const terms of [{ salesCutoffAt: cutoff }, { cancelled: true }]) {
    const state = on({ ...row, terms })
      .given(...past)
      .state();
    const taken = take(state, acceptOffer("w", "ann"), cutoff);
    t.match(taken.decision, { kind: "refuse", refusal: { code: "sales_closed" } });
    t.equal(taken.events.length, LEAVING_PER_TURN_MAX);
    t.equal(drain(t, state, cutoff).length, CROWD + 1 - LEAVING_PER_TURN_MAX);
    t.equal(state.line?.activeCount, 0);
  }
});

t.test("an offer that is due is neither taken nor declined, settled or not", async (t) => {
  const hall = drawnHall("a".repeat(CROWD));
  const offers = Array.from({ length: CROWD }, (_, i) => [joined(`x${i}`, `s${i}`, 1), offered(`x${i}`, [i])]).flat();
  const due = T0 + 125_000;
  const last = CROWD - 1;
  for (const command of [declineOffer, acceptOffer]) {
    const state = on({ hall })
      .given(...offers)
      .state();
    const { decision, events } = take(state, command(`x${last}`, `s${last}`), due);
    t.equal(events.length, LEAVING_PER_TURN_MAX);
    t.match(decision, { kind: "refuse", refusal: { code: "offer_lapsed", status: "lapsed" } });
    drain(t, state, due);
  }
});

t.test("nobody is served after its hour, and those behind are once it is settled", async (t) => {
  const due = T0 + WAITER_TTL;
  // Seen in time, or they would be absent.
  const old = at(due - 1_000, ...crowd(CROWD, { expiresAt: due }));
  const late = at(due - 500, joined("w", "ann", 3, { expiresAt: due + 1_000_000 }));
  const hold = placed("h", "bob", [0, 1, 2], { expiresAt: due + 1_000_000, lineMs: due });
  const state = on(row).given(hold, old, late).state();
  const { events } = take(state, release("h", "bob"), due);
  t.same(
    events.filter(({ kind }) => kind === "OfferMade"),
    [],
  );
  const rest = drain(t, state, due);
  t.same(
    rest.filter(({ kind }) => kind === "OfferMade"),
    [offered("w", [0, 1, 2], { expiresAt: due + 120_000 })],
  );
  t.equal(rest.filter(({ kind }) => kind === "WaiterLeft").length, CROWD - LEAVING_PER_TURN_MAX);
});

t.test("who is to be skipped is not served, however many are", async (t) => {
  const gone = crowd(SKIPS_PER_TURN_MAX + 10);
  const now = T0 + SEEN_FOR_MS;
  const past = [placed("h", "bob", [0, 1, 2], { expiresAt: now + 1_000_000, lineMs: now }), ...gone];
  const state = on(row)
    .given(...past, at(T0 + 1_000, joined("w", "ann", 3)))
    .state();
  const { events } = take(state, release("h", "bob"), now);
  t.same(
    events.filter(({ kind }) => kind === "OfferMade"),
    [],
  );
  const offer = offered("w", [0, 1, 2], { expiresAt: now + 120_000 });
  t.same(drain(t, state, now), [offer]);
  const back = take(state, readWaiter("x0", "s0"), now);
  t.match(back.decision, { kind: "answer_waiter", waiter: { status: "waiting" } });
});

t.test("a hopeless crowd keeps nothing from others while it is sent home", async (t) => {
  const hall = { hall: drawnHall("aaabbb") };
  const confirm: ShowCommand = {
    kind: "ConfirmBooking",
    session: session("bob"),
    operation: operation("pay"),
    bookingId: booking("h"),
    paymentToken: "t",
    contactEmail: undefined,
  };
  const past = [placed("h", "bob", [0, 1]), placed("g", "eve", [3, 4, 5]), ...crowd(3 * CROWD)];
  const state = on(hall)
    .given(...past, joined("w", "ann", 3, { categories: [1] }))
    .state();
  t.equal(take(state, confirm, T0).events.length, 1 + LEAVING_PER_TURN_MAX);
  t.equal(state.line?.claimed, 4, "category 1, which is not hopeless");
  const freed = take(state, release("g", "eve"), T0);
  t.match(freed.events.at(-1), { kind: "OfferMade", waiterId: waiter("w") });
  const walkUp: ShowCommand = {
    kind: "PlaceHold",
    session: session("kim"),
    operation: operation("l"),
    choice: { by: "seats", seats: [2] },
  };
  t.match(take(state, walkUp, T0).decision, { kind: "accept", about: booking("l") });
  drain(t, state, T0);
  t.equal(state.line?.waitingCount, 0);
});

t.test("terms that changed while nobody owned the show judge what is due", async (t) => {
  const cutoff = T0 + 10_000;
  const terms = { ...TERMS, salesCutoffAt: cutoff + 1_000_000 };
  const show = on({ ...row, terms: { salesCutoffAt: cutoff } });
  const past = [placed("h", "bob", [0, 1, 2, 3]), joined("w", "ann", 2)];
  const changed = { kind: "TermsChanged", terms } as const;
  show
    .given(...past)
    .when({ kind: "ChangeTerms", terms, atLoad: true }, cutoff + 1)
    .thenEvents(t, [changed]);
  show
    .given(...past)
    .when({ kind: "ChangeTerms", terms }, cutoff + 1)
    .thenEvents(t, [left("w", "closed"), changed]);
});

t.test("there is no way back from a cancelled show", async (t) => {
  const cancelled = { ...TERMS, cancelled: true };
  on({ ...row, terms: { cancelled: true } })
    .given()
    .when({ kind: "ChangeTerms", terms: TERMS }, T0)
    .thenEvents(t, [{ kind: "TermsChanged", terms: cancelled }]);
});
