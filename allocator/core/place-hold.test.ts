// PlaceHold by given/when/then: each refusal beside its success, and the order in which refusals come.

import t from "tap";
import type { SeatChoice } from "../../shared/protocol/command.ts";
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
  TERMS,
  TTL,
} from "../../test/core/specification.ts";
import { joined } from "../../test/core/waitlist-events.ts";
import type { ShowCommand } from "./command.ts";

type Wish = Partial<Extract<SeatChoice, { by: "quantity" }>>;

const bySeats = (key: string, by: string, seats: readonly number[], requestHash = 1): ShowCommand => ({
  kind: "PlaceHold",
  session: session(by),
  operation: operation(key, requestHash),
  choice: { by: "seats", seats },
});

const byNumber = (key: string, by: string, quantity: number, wish: Wish = {}): ShowCommand => ({
  kind: "PlaceHold",
  session: session(by),
  operation: operation(key),
  choice: { by: "quantity", quantity, category: undefined, accessible: false, contiguous: false, ...wish },
});

const blocked = (seats: readonly number[]) =>
  ({ kind: "SeatsBlocked", seats, operation: operationId("block"), requestHash: 1 }) as const;
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

t.test("a hold by labels", async (t) => {
  t.test(
    "takes exactly the seats it names, in their order, at their categories' prices, for TTL and grace",
    async (t) => {
      const outcome = on({ hall: drawnHall("aabb", "ccCC") })
        .given()
        .when(bySeats("h", "ann", [6, 0, 3]), T0 + 7)
        .thenEvents(t, [placed("h", "ann", [6, 0, 3], { total: 6_000, expiresAt: T0 + 7 + TTL })]);
      t.equal(outcome.state.bookings.get(booking("h"))?.createdAt, T0 + 7);
    },
  );

  t.test("is refused whole when one seat is held, sold or blocked, naming those and what is free", async (t) => {
    given(placed("other", "bob", [4]), blocked([5]))
      .when(bySeats("h", "ann", [3, 4, 5, 6]), T0)
      .thenRefused(t, { code: "seats_taken", seats: [4, 5], free: 28 });
  });

  t.test("may name accessible seats", async (t) => {
    on({ hall: drawnHall("aA") })
      .given()
      .when(bySeats("h", "ann", [1]), T0)
      .thenEvents(t, [placed("h", "ann", [1])]);
  });

  t.test("with seats that no hall has, or one twice, is a bug of the caller", async (t) => {
    for (const seats of [[30], [-1], [0.5], [3, 3], []]) {
      t.throws(() => given().when(bySeats("h", "ann", seats), T0), { name: "AssertionError" }, `seats ${seats}`);
    }
  });
});

t.test("a hold by number", async (t) => {
  t.test("takes the best seats", async (t) => {
    given()
      .when(byNumber("h", "ann", 2), T0)
      .thenEvents(t, [placed("h", "ann", [14, 15])]);
  });

  t.test("keeps to its category", async (t) => {
    on({ hall: drawnHall("aab", "bba") })
      .given()
      .when(byNumber("h", "ann", 3, { category: 1 }), T0)
      .thenEvents(t, [placed("h", "ann", [2, 3, 4], { total: 6_000 })]);
  });

  t.test("gives accessible seats only when asked for them", async (t) => {
    const stage = on({ hall: drawnHall("aaAAaa") });
    stage
      .given()
      .when(byNumber("h", "ann", 2), T0)
      .thenEvents(t, [placed("h", "ann", [0, 1])]);
    stage
      .given()
      .when(byNumber("h", "ann", 2, { accessible: true }), T0)
      .thenEvents(t, [placed("h", "ann", [2, 3])]);
  });

  t.test("splits when there is no block, unless it must be contiguous", async (t) => {
    const stage = on({ hall: drawnHall("aa aa") }).given();
    stage.when(byNumber("h", "ann", 3), T0).thenEvents(t, [placed("h", "ann", [0, 1, 2])]);
    stage
      .when(byNumber("h", "ann", 3, { contiguous: true }), T0)
      .thenRefused(t, { code: "no_contiguous_block", free: 4 });
  });

  t.test("of no seats, of more than 10, of half a seat or of no category is a bug of the caller", async (t) => {
    for (const quantity of [0, 11, 1.5, Number.NaN]) {
      t.throws(() => given().when(byNumber("h", "ann", quantity), T0), { name: "AssertionError" }, `${quantity}`);
    }
    t.throws(() => given().when(byNumber("h", "ann", 1, { category: 1 }), T0), { name: "AssertionError" });
  });
});

t.test("10 seats a session", async (t) => {
  const nine = placed("nine", "ann", range(0, 9));
  given(nine)
    .when(bySeats("h", "ann", [9]), T0)
    .thenEvents(t, [placed("h", "ann", [9])]);
  given(nine)
    .when(bySeats("h", "ann", [9, 10]), T0)
    .thenRefused(t, { code: "hold_limit", held: 9 });
  given(nine)
    .when(byNumber("h", "ann", 2), T0)
    .thenRefused(t, { code: "hold_limit", held: 9 });
  given(nine)
    .when(byNumber("h", "bob", 10), T0)
    .thenEvents(t, [placed("h", "bob", range(10, 20))]);
  t.test("seats being paid count, sold and expired ones do not", async (t) => {
    const paid = {
      kind: "PaymentBegun",
      id: booking("nine"),
      attempt: 1,
      paymentToken: "pm",
      deadlineAt: T0 + 600_000,
      lineMs: 600_000,
      operation: operationId("pay"),
      requestHash: 1,
    } as const;
    given(nine, paid)
      .when(bySeats("h", "ann", [9, 10]), T0)
      .thenRefused(t, { code: "hold_limit", held: 9 });
    given(nine, paid, { kind: "BookingConfirmed", id: booking("nine"), reference: "pi" })
      .when(bySeats("h", "ann", [9, 10]), T0)
      .thenEvents(t, [placed("h", "ann", [9, 10])]);
    const late = T0 + TTL + GRACE;
    given(nine)
      .when(bySeats("h", "ann", [0, 10]), late)
      .thenEvents(t, [
        { kind: "HoldExpired", id: booking("nine") },
        placed("h", "ann", [0, 10], { expiresAt: late + TTL }),
      ]);
    given(nine)
      .when(bySeats("h", "ann", [0, 10]), late - 1)
      .thenRefused(t, { code: "hold_limit", held: 9 });
  });
});

t.test("sales end at the cutoff, with the show's cancelling, and for a gated show", async (t) => {
  const { salesCutoffAt } = TERMS;
  given()
    .when(bySeats("h", "ann", [0]), salesCutoffAt - 1)
    .thenEvents(t, [placed("h", "ann", [0], { expiresAt: salesCutoffAt - 1 + TTL })]);
  given()
    .when(bySeats("h", "ann", [0]), salesCutoffAt)
    .thenRefused(t, { code: "sales_closed" });
  on({ terms: { cancelled: true } })
    .given()
    .when(bySeats("h", "ann", [0]), T0)
    .thenRefused(t, { code: "sales_closed" });
  on({ terms: { gated: true } })
    .given()
    .when(bySeats("h", "ann", [0]), T0)
    .thenRefused(t, { code: "not_admitted" });
});

t.test("full, held and free are told apart, and counted over what the request could be given", async (t) => {
  const hall = drawnHall("aaabbB");
  const stage = on({ hall });
  const sold = (seats: readonly number[]) => [
    placed("sold", "bob", seats),
    {
      kind: "BookingConfirmed",
      id: booking("sold"),
      begun: { operation: operationId("pay"), requestHash: 1, paymentToken: "pm" },
    } as const,
  ];
  const sellTwo = stage.given(...sold([0, 1]));
  const holdTwo = stage.given(placed("held", "bob", [0, 1]));
  t.test("by category", async (t) => {
    sellTwo.when(byNumber("h", "ann", 2, { category: 0 }), T0).thenRefused(t, { code: "show_full", free: 1 });
    holdTwo.when(byNumber("h", "ann", 2, { category: 0 }), T0).thenRefused(t, { code: "retry_held", free: 1 });
    holdTwo.when(byNumber("h", "ann", 1, { category: 0 }), T0).thenEvents(t, [placed("h", "ann", [2])]);
    holdTwo.when(byNumber("h", "ann", 4, { category: 0 }), T0).thenRefused(t, { code: "show_full", free: 1 });
  });
  t.test("accessible seats count only for who asks for them", async (t) => {
    sellTwo.when(byNumber("h", "ann", 4), T0).thenRefused(t, { code: "show_full", free: 3 });
    sellTwo
      .when(byNumber("h", "ann", 4, { accessible: true }), T0)
      .thenEvents(t, [placed("h", "ann", [2, 3, 4, 5], { total: 7_000 })]);
    stage
      .given(placed("held", "bob", [5]))
      .when(byNumber("h", "ann", 3, { category: 1 }), T0)
      .thenRefused(t, { code: "show_full", free: 2 });
    stage
      .given(placed("held", "bob", [5]))
      .when(byNumber("h", "ann", 3, { category: 1, accessible: true }), T0)
      .thenRefused(t, { code: "retry_held", free: 2 });
  });
  t.test("blocked seats can never be had", async (t) => {
    stage
      .given(blocked([0, 1]))
      .when(byNumber("h", "ann", 2, { category: 0 }), T0)
      .thenRefused(t, { code: "show_full", free: 1 });
  });
  t.test("by labels they count over the whole show", async (t) => {
    stage
      .given(...sold([0, 1, 2]), placed("held", "eve", [3, 4]))
      .when(bySeats("h", "ann", [3, 5]), T0)
      .thenRefused(t, { code: "retry_held", free: 1 });
    stage
      .given(...sold([0, 1, 2, 3]), placed("held", "eve", [4]))
      .when(bySeats("h", "ann", [4, 5]), T0)
      .thenRefused(t, { code: "retry_held", free: 1 });
    stage
      .given(...sold([0, 1, 2, 3, 4]))
      .when(bySeats("h", "ann", [4, 5]), T0)
      .thenRefused(t, { code: "show_full", free: 1 });
  });
});

t.test("a single seat may not be stranded where the show rejects that", async (t) => {
  const taken = placed("other", "bob", [0]);
  const asks = bySeats("h", "ann", [2]);
  on({ terms: { singleGap: "reject" } })
    .given(taken)
    .when(asks, T0)
    .thenRefused(t, { code: "single_gap", stranded: 1, block: [1] });
  on({ terms: { singleGap: "allow" } })
    .given(taken)
    .when(asks, T0)
    .thenEvents(t, [placed("h", "ann", [2])]);
  on({ terms: { singleGap: "reject" } })
    .given(taken)
    .when(bySeats("h", "ann", [3]), T0)
    .thenEvents(t, [placed("h", "ann", [3])]);
});

t.test("refusals come in the order of the specification", async (t) => {
  // Each stage gives cause for its refusal and for those that come after it; taking a cause away uncovers the next.
  const wide = { hall: drawnHall("aaaaaaaaaaaa") };
  const past = [
    placed("ten", "ann", range(0, 10)),
    placed("sold", "bob", [10, 11]),
    {
      kind: "BookingConfirmed",
      id: booking("sold"),
      begun: { operation: operationId("pay"), requestHash: 1, paymentToken: "pm" },
    },
  ] as const;
  const anns = bySeats("h", "ann", range(0, 10).concat(10).slice(1));
  const eves = bySeats("h", "eve", range(0, 10).concat(10).slice(1));
  on({ ...wide, terms: { gated: true, cancelled: true } })
    .given(...past)
    .when(anns, T0)
    .thenRefused(t, { code: "sales_closed" });
  on({ ...wide, terms: { gated: true } })
    .given(...past)
    .when(anns, T0)
    .thenRefused(t, { code: "not_admitted" });
  on(wide)
    .given(...past, blocked([]))
    .when(anns, T0)
    .thenRefused(t, { code: "hold_limit", held: 10 });
  // Of 12 seats 2 are sold: 10 could be had, but all are held.
  on(wide)
    .given(...past)
    .when(eves, T0)
    .thenRefused(t, { code: "retry_held", free: 0 });
  const less = on({ hall: drawnHall("aaaaaaaaaaa") });
  less
    .given(placed("ten", "ann", range(0, 10)), blocked([10]))
    .when(bySeats("h", "eve", [0, 10]), T0)
    .thenRefused(t, { code: "retry_held", free: 0 });
  const gaps = on({ hall: drawnHall("aaaaa"), terms: { singleGap: "reject" } });
  const others = [placed("held", "bob", [0]), blocked([4])] as const;
  gaps
    .given(...others)
    .when(bySeats("h", "ann", [0, 1, 2, 3]), T0)
    .thenRefused(t, { code: "retry_held", free: 3 });
  gaps
    .given(...others)
    .when(bySeats("h", "ann", [0, 2]), T0)
    .thenRefused(t, { code: "seats_taken", seats: [0], free: 3 });
  gaps
    .given(...others)
    .when(bySeats("h", "ann", [2]), T0)
    .thenRefused(t, { code: "single_gap", stranded: 1, block: [1] });
  gaps
    .given(placed("held", "bob", [0]), blocked([2, 3, 4]))
    .when(bySeats("h", "ann", [0, 1, 2]), T0)
    .thenRefused(t, { code: "show_full", free: 1 });
});

t.test("a claim on seats that the hall does not have is met by nobody", async (t) => {
  // All of category b is accessible. The waiter would take any b; of the ordinary ones there are none.
  const past = [
    placed("held", "bob", [0, 1], { total: 2_000 }),
    placed("b", "bob", [2], { total: 2_000 }),
    joined("w", "ann", 1, { categories: [1], accessible: true }),
  ] as const;
  const show = on({ hall: drawnHall("aaB") }).given(...past);
  show.when(byNumber("h", "eve", 1), T0).thenRefused(t, { code: "retry_held", free: 0 });
  show.when(byNumber("h", "eve", 1, { accessible: true }), T0).thenRefused(t, { code: "waitlist_active", free: 0 });
});
