// Joining, reading, lowering and leaving by given/when/then: each refusal beside its success, and their order.

import t from "tap";
import { drawnHall } from "../../test/core/drawn-hall.ts";
import {
  at,
  begun,
  booking,
  GRACE,
  given,
  on,
  operation,
  operationId,
  placed,
  session,
  T0,
  TERMS,
  waiter,
} from "../../test/core/specification.ts";
import {
  declined,
  declineOffer,
  join,
  joined,
  leave,
  left,
  lower,
  lowered,
  OFFER_TTL,
  offered,
  readWaiter,
  WAITER_TTL,
} from "../../test/core/waitlist-events.ts";
import { ABSENT_AFTER_MS } from "../../waitlist/core/waiter.ts";
import type { ShowCommand } from "./command.ts";

const DAY_MS = 86_400_000;
const small = { hall: drawnHall("aaaa") };
const blocked = (seats: readonly number[]) =>
  ({ kind: "SeatsBlocked", seats, operation: operationId("block"), requestHash: 1 }) as const;
const sold = (key: string) => ({ kind: "BookingConfirmed", id: booking(key) }) as const;

t.test("joining", async (t) => {
  t.test("is for what cannot be had now but could be later", async (t) => {
    on(small)
      .given(placed("h", "bob", [0, 1, 2]))
      .when(join("w", "ann", 2), T0 + 7)
      .thenEvents(t, [joined("w", "ann", 2, { expiresAt: T0 + 7 + WAITER_TTL })]);
  });

  t.test("is refused while the seats are there, and when they can never be", async (t) => {
    const show = on(small).given(placed("h", "bob", [0, 1]), placed("s", "eve", [2]), begun("s", "pay"), sold("s"));
    show.when(join("w", "ann", 1), T0).thenRefused(t, { code: "seats_available", free: 1 });
    show.when(join("w", "ann", 2), T0).thenEvents(t, [joined("w", "ann", 2)]);
    show.when(join("w", "ann", 3), T0).thenEvents(t, [joined("w", "ann", 3)]);
    show.when(join("w", "ann", 4), T0).thenRefused(t, { code: "show_full", free: 1 });
  });

  t.test("counts what is paying and offered, not what is blocked", async (t) => {
    const show = on(small).given(
      placed("h", "bob", [0]),
      begun("h", "pay"),
      placed("g", "eve", [1]),
      joined("v", "zoe", 1),
      offered("v", [2]),
      blocked([3]),
    );
    show.when(join("w", "ann", 3), T0).thenEvents(t, [joined("w", "ann", 3)]);
    show.when(join("w", "ann", 4), T0).thenRefused(t, { code: "show_full", free: 0 });
  });

  t.test("sees only its categories, and accessible seats only when it asks for them", async (t) => {
    const hall = drawnHall("aabB");
    const show = on({ hall }).given(placed("h", "bob", [0, 1]));
    show.when(join("w", "ann", 1, { categories: [0] }), T0).thenEvents(t, [joined("w", "ann", 1)]);
    show.when(join("w", "ann", 2, { categories: [1] }), T0).thenRefused(t, { code: "show_full", free: 1 });
    show
      .when(join("w", "ann", 2, { categories: [1], accessible: true }), T0)
      .thenRefused(t, { code: "seats_available", free: 2 });
    show
      .when(join("w", "ann", 3, { categories: [0, 1] }), T0)
      .thenEvents(t, [joined("w", "ann", 3, { categories: [0, 1] })]);
    show.when(join("w", "ann", 1, { categories: [0, 1] }), T0).thenRefused(t, { code: "seats_available", free: 1 });
  });

  t.test("side by side is for what could be had side by side", async (t) => {
    const together = { contiguous: true };
    const show = on(small).given(placed("h", "bob", [1]));
    show.when(join("w", "ann", 2, together), T0).thenRefused(t, { code: "seats_available", free: 3 });
    show.when(join("w", "ann", 3, together), T0).thenEvents(t, [joined("w", "ann", 3, together)]);
    on({ hall: drawnHall("aa", "aa") })
      .given(placed("h", "bob", [1, 2]))
      .when(join("w", "ann", 3, together), T0)
      .thenRefused(t, { code: "show_full", free: 2 });
    on({ hall: drawnHall("aa", "aa") })
      .given(placed("h", "bob", [1, 2]), placed("s", "eve", [0]), begun("s", "pay"), sold("s"))
      .when(join("w", "ann", 2, together), T0)
      .thenEvents(t, [joined("w", "ann", 2, together)]);
  });

  t.test("what earlier waiters claim is not there for those who come later", async (t) => {
    const show = on(small).given(placed("h", "bob", [0, 1, 2]), joined("v", "zoe", 2));
    show.when(join("w", "ann", 1), T0).thenEvents(t, [joined("w", "ann", 1)]);
    on({ hall: drawnHall("aab") })
      .given(placed("h", "bob", [0]), joined("v", "zoe", 2, { categories: [0] }))
      .when(join("w", "ann", 1, { categories: [0, 1] }), T0)
      .thenRefused(t, { code: "seats_available", free: 1 });
  });

  t.test("is for one entry a session, and ten seats in all", async (t) => {
    const ten = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
    const show = on({ hall: drawnHall("aaaaaaaaaaaa") }).given(
      placed("b", "bob", ten),
      placed("h", "eve", [10, 11]),
      joined("v", "zoe", 9),
    );
    show.when(join("w", "zoe", 1), T0).thenRefused(t, { code: "already_waiting", waiterId: waiter("v") });
    show.when(join("w", "eve", 8), T0).thenEvents(t, [joined("w", "eve", 8)]);
    show.when(join("w", "eve", 9), T0).thenRefused(t, { code: "hold_limit", held: 2 });
  });

  t.test("a session's waiting counts against its locks too", async (t) => {
    const lock = (seats: readonly number[]): ShowCommand => ({
      kind: "PlaceHold",
      session: session("ann"),
      operation: operation("l"),
      choice: { by: "seats", seats },
    });
    const show = on({ hall: drawnHall("aaaaaaaaabb") }).given(placed("b", "bob", [0]), joined("w", "ann", 9));
    show.when(lock([9]), T0).thenEvents(t, [placed("l", "ann", [9], { total: 2_000 })]);
    show.when(lock([9, 10]), T0).thenRefused(t, { code: "hold_limit", held: 9 });
  });

  t.test("is closed with the sales, and for a gated show", async (t) => {
    const show = on(small).given(placed("h", "bob", [0, 1, 2, 3], { expiresAt: TERMS.salesCutoffAt + 1 }));
    show
      .when(join("w", "ann", 1), TERMS.salesCutoffAt - 1)
      .thenEvents(t, [joined("w", "ann", 1, { expiresAt: TERMS.salesCutoffAt - 1 + WAITER_TTL })]);
    show.when(join("w", "ann", 1), TERMS.salesCutoffAt).thenRefused(t, { code: "sales_closed" });
    on({ ...small, terms: { gated: true } })
      .given(placed("h", "bob", [0, 1, 2, 3]))
      .when(join("w", "ann", 1), T0)
      .thenRefused(t, { code: "not_admitted" });
    on({ ...small, terms: { cancelled: true } })
      .given(placed("h", "bob", [0, 1, 2, 3]))
      .when(join("w", "ann", 1), T0)
      .thenRefused(t, { code: "sales_closed" });
  });

  t.test("done twice takes effect once, and says so", async (t) => {
    const show = on(small).given(placed("h", "bob", [0, 1, 2, 3]), joined("w", "ann", 2));
    show.when(join("w", "ann", 2), T0 + 5).thenAnswersWaiter(t, "w", "waiting", { replayed: true });
    show
      .when({ ...join("w", "ann", 3), operation: operation("w", 2) }, T0)
      .thenRefused(t, { code: "idempotency_key_reused" });
    show
      .when({ ...join("h", "bob", 1), operation: operation("h", 2) }, T0)
      .thenRefused(t, { code: "idempotency_key_reused" });
  });

  t.test("a finished entry is looked up before its key is used again", async (t) => {
    const show = on({ ...small, cold: ["w"] }).given(
      placed("h", "bob", [0, 1, 2, 3]),
      joined("w", "ann", 2),
      left("w", "cancelled", "leave"),
    );
    show.when(join("w", "ann", 2), T0).thenFetches(t, { waiter: waiter("w"), operation: operationId("w") });
  });
});

t.test("reading", async (t) => {
  const show = on(small).given(placed("h", "bob", [0, 1, 2, 3]), joined("w", "ann", 2));
  t.test("answers its session, whatever became of it, for a day", async (t) => {
    show.when(readWaiter("w", "ann"), T0 + 1).thenAnswersWaiter(t, "w", "waiting", { replayed: false });
    const gone = on(small).given(placed("h", "bob", [0, 1, 2, 3]), joined("w", "ann", 2), left("w", "cancelled", "x"));
    gone.when(readWaiter("w", "ann"), T0 + 1).thenAnswersWaiter(t, "w", "cancelled", { replayed: false });
    const past = on(small).given(joined("w", "ann", 2), left("w", "cancelled", "x"));
    past.when(readWaiter("w", "ann"), T0 + DAY_MS - 1).thenAnswersWaiter(t, "w", "cancelled", { replayed: false });
    past.when(readWaiter("w", "ann"), T0 + DAY_MS).thenRefused(t, { code: "not_found" });
  });
  t.test("is nobody else's business", async (t) => {
    show.when(readWaiter("w", "bob"), T0).thenRefused(t, { code: "not_found" });
    show.when(readWaiter("x", "ann"), T0).thenFetches(t, { waiter: waiter("x"), operation: undefined });
    show.when(readWaiter("x", "ann"), T0, { looked: true }).thenRefused(t, { code: "not_found" });
    show.when(leave("w", "bob"), T0).thenRefused(t, { code: "not_found" });
  });
  t.test("fetches before anybody ever waited", async (t) => {
    given()
      .when(readWaiter("x", "ann"), T0)
      .thenFetches(t, { waiter: waiter("x"), operation: undefined });
    given().when(readWaiter("x", "ann"), T0, { looked: true }).thenRefused(t, { code: "not_found" });
  });
});

t.test("lowering", async (t) => {
  const show = on(small).given(placed("h", "bob", [0, 1, 2]), joined("w", "ann", 3), joined("v", "zoe", 1));
  t.test("keeps the place", async (t) => {
    const outcome = show.when(lower("w", "ann", 2), T0).thenEvents(t, [lowered("w", 2, "lower")]);
    const { line } = outcome.state;
    const entry = line?.get(waiter("w"));
    t.equal(entry && line?.positionOf(entry), 1);
    t.equal(outcome.state.sessionSeats.get(session("ann")), 2);
  });
  t.test("may make it servable, in the same turn", async (t) => {
    show.when(lower("w", "ann", 1), T0).thenEvents(t, [lowered("w", 1, "lower"), offered("w", [3])]);
  });
  t.test("never raises", async (t) => {
    show.when(lower("w", "ann", 4), T0).thenRefused(t, { code: "quantity_not_lower", quantity: 3 });
    show.when(lower("w", "ann", 3), T0).thenAnswersWaiter(t, "w", "waiting", { replayed: false });
  });
  t.test("is over with the waiting", async (t) => {
    const offer = on(small).given(joined("w", "ann", 3), offered("w", [0, 1, 2]));
    offer.when(lower("w", "ann", 1), T0).thenRefused(t, { code: "offer_open" });
    on(small)
      .given(joined("w", "ann", 3), left("w", "cancelled", "leave"))
      .when(lower("w", "ann", 1), T0)
      .thenRefused(t, { code: "waiter_finished", status: "cancelled" });
  });
  t.test("done twice takes effect once", async (t) => {
    const twice = on(small).given(placed("h", "bob", [0, 1, 2, 3]), joined("w", "ann", 3), lowered("w", 2, "lower"));
    twice.when(lower("w", "ann", 2), T0).thenAnswersWaiter(t, "w", "waiting", { replayed: true });
    twice
      .when({ ...lower("w", "ann", 1), operation: operation("lower", 2) }, T0)
      .thenRefused(t, { code: "idempotency_key_reused" });
  });
});

t.test("leaving and declining", async (t) => {
  const waiting = on(small).given(placed("h", "bob", [0, 1, 2]), joined("w", "ann", 2), joined("v", "zoe", 1));
  const offer = on(small).given(
    placed("h", "bob", [0, 1]),
    joined("w", "ann", 2),
    offered("w", [2, 3]),
    joined("v", "zoe", 1),
  );
  t.test("the next is served from what the leaver claimed, or was offered, in the same turn", async (t) => {
    waiting.when(leave("w", "ann"), T0).thenEvents(t, [left("w", "cancelled", "leave"), offered("v", [3])]);
    offer.when(leave("w", "ann"), T0).thenEvents(t, [left("w", "cancelled", "leave"), offered("v", [2])]);
    offer.when(declineOffer("w", "ann"), T0).thenEvents(t, [declined("w", "decline"), offered("v", [2])]);
  });
  t.test("may be asked for again", async (t) => {
    const gone = on(small).given(joined("w", "ann", 2), left("w", "cancelled", "leave"));
    gone.when(leave("w", "ann"), T0).thenAnswersWaiter(t, "w", "cancelled", { replayed: true });
    gone.when(leave("w", "ann", "other"), T0).thenAnswersWaiter(t, "w", "cancelled", { replayed: true });
    const no = on(small).given(joined("w", "ann", 2), offered("w", [0, 1]), declined("w", "decline"));
    no.when(declineOffer("w", "ann"), T0).thenAnswersWaiter(t, "w", "declined", { replayed: true });
    no.when(declineOffer("w", "ann", "other"), T0).thenAnswersWaiter(t, "w", "declined", { replayed: true });
  });
  t.test("without an offer there is nothing to decline", async (t) => {
    waiting.when(declineOffer("w", "ann"), T0).thenRefused(t, { code: "no_offer" });
    on(small)
      .given(joined("w", "ann", 2), left("w", "absent"))
      .when(declineOffer("w", "ann"), T0)
      .thenRefused(t, { code: "offer_lapsed", status: "absent", holdId: undefined });
  });
});

t.test("what ends by itself", async (t) => {
  const hold = placed("h", "bob", [0, 1, 2, 3], { expiresAt: T0 + 2 * DAY_MS - GRACE, lineMs: 2 * DAY_MS });
  t.test("a waiter after an hour", async (t) => {
    // Not absent: it was lowered, read and so seen, a minute before.
    const state = on({ ...small, terms: { salesCutoffAt: T0 + 3 * DAY_MS } }).given(
      hold,
      at(T0 + WAITER_TTL - 60_000, joined("w", "ann", 1, { expiresAt: T0 + WAITER_TTL })),
    );
    state.when({ kind: "Tick" }, T0 + WAITER_TTL - 1).thenDone(t);
    state.when({ kind: "Tick" }, T0 + WAITER_TTL).thenDone(t, [left("w", "expired")]);
  });
  t.test("one that was not seen for five minutes", async (t) => {
    const state = on(small).given(hold, joined("w", "ann", 1));
    state.when({ kind: "Tick" }, T0 + ABSENT_AFTER_MS - 1).thenDone(t);
    state.when({ kind: "Tick" }, T0 + ABSENT_AFTER_MS).thenDone(t, [left("w", "absent")]);
  });
  t.test("all of them, offers too, when the sales do", async (t) => {
    const early = { salesCutoffAt: T0 + 10_000 };
    const state = on({ ...small, terms: early }).given(
      placed("h", "bob", [0, 1]),
      joined("w", "ann", 2),
      offered("w", [2, 3]),
      joined("v", "zoe", 1),
    );
    state.when({ kind: "Tick" }, T0 + 9_999).thenDone(t);
    state.when({ kind: "Tick" }, T0 + 10_000).thenDone(t, [left("v", "closed"), left("w", "closed")]);
    const terms = { ...TERMS, cancelled: true };
    on(small)
      .given(placed("h", "bob", [0, 1, 2, 3]), joined("v", "zoe", 1))
      .when({ kind: "ChangeTerms", terms }, T0)
      .thenEvents(t, [{ kind: "TermsChanged", terms }]);
    on({ ...small, terms: { cancelled: true } })
      .given(placed("h", "bob", [0, 1, 2, 3]), joined("v", "zoe", 1))
      .when({ kind: "Tick" }, T0)
      .thenDone(t, [left("v", "closed")]);
  });
  t.test("an offer after its time and the grace, and the next is served", async (t) => {
    const state = on(small).given(
      placed("h", "bob", [0, 1], { expiresAt: T0 + DAY_MS, lineMs: DAY_MS }),
      joined("w", "ann", 2),
      offered("w", [2, 3]),
      at(T0 + 100_000, joined("v", "zoe", 1, { expiresAt: T0 + 100_000 + WAITER_TTL })),
    );
    const due = T0 + OFFER_TTL + GRACE;
    state.when({ kind: "Tick" }, due - 1).thenDone(t);
    state
      .when({ kind: "Tick" }, due)
      .thenDone(t, [{ kind: "OfferLapsed", waiterId: waiter("w") }, offered("v", [2], { expiresAt: due + OFFER_TTL })]);
  });
  t.test("what nobody could do for lack of service does not", async (t) => {
    const state = on(small).given(placed("h", "bob", [0, 1]), joined("w", "ann", 2), offered("w", [2, 3]), {
      kind: "DeadlinesMoved",
      byMs: 60_000,
      outageId: 1,
    });
    const due = T0 + OFFER_TTL + GRACE;
    state.when({ kind: "Tick" }, due + 59_999).thenDone(t);
    state.when({ kind: "Tick" }, due + 60_000).thenDone(t, [{ kind: "OfferLapsed", waiterId: waiter("w") }]);
    t.equal(state.state().line?.get(waiter("w"))?.offer?.expiresAt, T0 + OFFER_TTL + 60_000);
  });
});
