// Taking an offer up, as it is or with other seats, by given/when/then.

import t from "tap";
import { drawnHall } from "../../test/core/drawn-hall.ts";
import {
  booking,
  GRACE,
  given,
  on,
  operation,
  operationId,
  placed,
  session,
  T0,
  TTL,
  waiter,
} from "../../test/core/specification.ts";
import {
  accepted,
  acceptOffer,
  declineOffer,
  joined,
  lapsed,
  left,
  OFFER_TTL,
  offered,
} from "../../test/core/waitlist-events.ts";

const row = { hall: drawnHall("aaaaaa") };
const offer = () => on(row).given(placed("h", "bob", [0, 1, 2, 3]), joined("w", "ann", 2), offered("w", [4, 5]));

t.test("an offer becomes a hold with a fresh deadline", async (t) => {
  const outcome = offer()
    .when(acceptOffer("w", "ann"), T0 + 60_000)
    .thenEvents(t, [accepted("w", "accept"), placed("accept", "ann", [4, 5], { expiresAt: T0 + 60_000 + TTL })]);
  const entry = outcome.state.line?.get(waiter("w"));
  t.match(entry, { status: "accepted", holdId: booking("accept"), endedAt: T0 + 60_000 });
  t.equal(outcome.state.sessionSeats.get(session("ann")), 2);
});

t.test("the price that was offered stands; other seats cost what they cost now", async (t) => {
  const show = on({ ...row, terms: { prices: [5_000, 0, 0] } }).given(joined("w", "ann", 2), offered("w", [4, 5]));
  show
    .when(acceptOffer("w", "ann"), T0)
    .thenEvents(t, [accepted("w", "accept"), placed("accept", "ann", [4, 5], { total: 2_000 })]);
  show
    .when(acceptOffer("w", "ann", { seats: [0, 1] }), T0)
    .thenEvents(t, [accepted("w", "accept"), placed("accept", "ann", [0, 1], { total: 10_000 })]);
});

t.test("strictly before its deadline and the grace", async (t) => {
  const due = T0 + OFFER_TTL + GRACE;
  offer()
    .when(acceptOffer("w", "ann"), due - 1)
    .thenEvents(t, [accepted("w", "accept"), placed("accept", "ann", [4, 5], { expiresAt: due - 1 + TTL })]);
  offer()
    .when(acceptOffer("w", "ann"), due)
    .thenRefused(t, { code: "offer_lapsed", status: "lapsed", holdId: undefined }, [lapsed("w")]);
});

t.test("what is no offer cannot be taken", async (t) => {
  const past = on(row).given(placed("h", "bob", [0, 1, 2, 3, 4, 5]), joined("w", "ann", 2));
  past.when(acceptOffer("w", "ann"), T0).thenRefused(t, { code: "no_offer" });
  past.when(acceptOffer("w", "eve"), T0).thenRefused(t, { code: "not_found" });
  on(row)
    .given(placed("h", "bob", [0, 1, 2, 3, 4, 5]), joined("w", "ann", 2), left("w", "cancelled", "x"))
    .when(acceptOffer("w", "ann"), T0)
    .thenRefused(t, { code: "offer_lapsed", status: "cancelled", holdId: undefined });
});

t.test("done twice takes effect once; with another key it is over", async (t) => {
  const taken = on(row).given(
    joined("w", "ann", 2),
    offered("w", [4, 5]),
    accepted("w", "accept"),
    placed("accept", "ann", [4, 5]),
  );
  taken.when(acceptOffer("w", "ann"), T0).thenAnswers(t, "accept", "held", { replayed: true });
  const over = { code: "offer_lapsed", status: "accepted", holdId: booking("accept") } as const;
  taken.when(acceptOffer("w", "ann", { as: "b" }), T0).thenRefused(t, over);
  taken.when(declineOffer("w", "ann"), T0).thenRefused(t, over);
  taken
    .when({ ...acceptOffer("w", "ann", { seats: [0, 1] }), operation: operation("accept", 2) }, T0)
    .thenRefused(t, { code: "idempotency_key_reused" });
});

t.test("a hold that went cold is looked up", async (t) => {
  const cold = on({ ...row, cold: ["accept"] }).given(
    joined("w", "ann", 2),
    offered("w", [4, 5]),
    accepted("w", "accept"),
    placed("accept", "ann", [4, 5]),
    { kind: "HoldReleased", id: booking("accept"), operation: operationId("r"), requestHash: 1 },
  );
  cold
    .when(acceptOffer("w", "ann"), T0)
    .thenFetches(t, { booking: booking("accept"), waiter: waiter("w"), operation: operationId("accept") });
});

t.test("a swap", async (t) => {
  const swap = (seats: readonly number[]) => acceptOffer("w", "ann", { seats });
  const mixed = { hall: drawnHall("aaaabb") };
  const show = on(mixed).given(placed("h", "bob", [0]), joined("w", "ann", 2), offered("w", [2, 3]));

  t.test("takes seats that are free to it, its own among them, and frees the rest", async (t) => {
    const outcome = show
      .when(swap([1, 3]), T0)
      .thenEvents(t, [accepted("w", "accept"), placed("accept", "ann", [1, 3])]);
    t.same([...outcome.state.seats], [1, 1, 0, 1, 0, 0]);
    show.when(swap([3, 2]), T0).thenEvents(t, [accepted("w", "accept"), placed("accept", "ann", [2, 3])]);
  });

  t.test("hands what it frees to the next in the same turn", async (t) => {
    on(mixed)
      .given(placed("h", "bob", [0]), joined("w", "ann", 2), offered("w", [2, 3]), joined("v", "zoe", 2))
      .when(swap([1, 3]), T0)
      .thenEvents(t, [accepted("w", "accept"), placed("accept", "ann", [1, 3])]);
    on(mixed)
      .given(placed("h", "bob", [0]), joined("w", "ann", 2), offered("w", [2, 3]), joined("v", "zoe", 1))
      .when({ kind: "Tick" }, T0)
      .thenDone(t, [offered("v", [1])]);
  });

  t.test("is refused whole, and the offer stands", async (t) => {
    const refused = (seats: readonly number[], refusal: Parameters<ReturnType<typeof show.when>["thenRefused"]>[1]) => {
      const outcome = show.when(swap(seats), T0).thenRefused(t, refusal);
      t.equal(outcome.state.line?.get(waiter("w"))?.status, "offered");
    };
    refused([0, 1], { code: "seats_taken", seats: [0], free: 3 });
    refused([1], { code: "wrong_swap", quantity: 2, seats: [] });
    refused([1, 2, 3], { code: "wrong_swap", quantity: 2, seats: [] });
    refused([1, 4], { code: "wrong_swap", quantity: 2, seats: [4] });
  });

  t.test("does not reach what earlier waiters claim; under first_fit it does", async (t) => {
    const past = [
      placed("h", "bob", [0, 1]),
      joined("u", "eve", 4),
      joined("w", "ann", 1, { categories: [0, 1] }),
      offered("w", [4], { total: 2_000 }),
    ];
    const wish = acceptOffer("w", "ann", { seats: [2] });
    on(mixed)
      .given(...past)
      .when(wish, T0)
      .thenRefused(t, { code: "waitlist_active", free: 1 });
    const fits = on({ ...mixed, terms: { waitlistPolicy: "first_fit" } }).given(...past);
    fits.when(wish, T0).thenEvents(t, [accepted("w", "accept"), placed("accept", "ann", [2])]);
  });

  t.test("does reach what later waiters claim", async (t) => {
    on(mixed)
      .given(placed("h", "bob", [0]), joined("w", "ann", 2), offered("w", [2, 3]), joined("v", "zoe", 3))
      .when(swap([1, 2]), T0)
      .thenEvents(t, [accepted("w", "accept"), placed("accept", "ann", [1, 2])]);
  });

  t.test("obeys the rule of the single gap, by the map without the offer", async (t) => {
    const strict = on({ hall: drawnHall("aaaaaa"), terms: { singleGap: "reject" } }).given(
      placed("h", "bob", [0]),
      joined("w", "ann", 2),
      offered("w", [1, 2]),
    );
    strict.when(swap([2, 3]), T0).thenRefused(t, { code: "single_gap", stranded: 1, block: [1, 2] });
    strict.when(swap([3, 4]), T0).thenEvents(t, [accepted("w", "accept"), placed("accept", "ann", [3, 4])]);
  });

  t.test("two who want the same seats: one gets them, the other keeps its block", async (t) => {
    const hall = drawnHall("aaaaaaaa");
    const past = [joined("w", "ann", 2), offered("w", [0, 1]), joined("v", "zoe", 2), offered("v", [2, 3])];
    const first = on({ hall })
      .given(...past)
      .when(swap([6, 7]), T0);
    first.thenEvents(t, [accepted("w", "accept"), placed("accept", "ann", [6, 7])]);
    const second = on({ hall }).given(...past, accepted("w", "accept"), placed("accept", "ann", [6, 7]));
    const outcome = second
      .when(acceptOffer("v", "zoe", { as: "b", seats: [6, 7] }), T0)
      .thenRefused(t, { code: "seats_taken", seats: [6, 7], free: 4 });
    t.same(outcome.state.line?.get(waiter("v"))?.offer?.seats, [2, 3]);
  });
});

t.test("an offer is nobody else's", async (t) => {
  offer().when(acceptOffer("w", "bob"), T0).thenRefused(t, { code: "not_found" });
  given()
    .when(acceptOffer("w", "bob"), T0)
    .thenFetches(t, { waiter: waiter("w"), operation: operationId("accept") });
});
