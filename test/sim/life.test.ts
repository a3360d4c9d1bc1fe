// A short simulation for every change; `npm run sim` does the long ones.

import t from "tap";
import { live } from "./life.ts";

/** What never comes up is not tested. */
const EVERYTHING = [
  ...[
    "accept",
    "answer",
    "done",
    "fetch",
    "payment_unavailable",
    "not_found",
    "sales_closed",
    "not_admitted",
    "hold_limit",
  ],
  ...[
    "show_full",
    "retry_held",
    "seats_taken",
    "single_gap",
    "no_contiguous_block",
    "already_extended",
    "hold_expired",
  ],
  ...[
    "payment_in_progress",
    "payment_declined",
    "already_booked",
    "idempotency_key_reused",
    "TermsChanged",
    "HoldPlaced",
  ],
  ...["HoldExtended", "HoldReleased", "HoldExpired", "PaymentBegun", "BookingConfirmed", "PaymentDeclined"],
  ...["PaymentAbandoned", "PaymentCaptured", "PaymentVoided", "BookingCancelled", "SeatsBlocked", "SeatsUnblocked"],
  "DeadlinesMoved",
  ...["TicketUsed", "ticket_used", "ticket_cancelled"],
  ...[
    "answer_waiter",
    "waitlist_active",
    "already_waiting",
    "seats_available",
    "no_offer",
    "offer_lapsed",
    "offer_open",
  ],
  ...["waiter_finished", "quantity_not_lower", "wrong_swap"],
  ...["WaiterJoined", "WaiterLowered", "OfferMade", "OfferAccepted", "OfferDeclined", "OfferLapsed"],
  ...["left cancelled", "left expired", "left hopeless", "left absent", "left closed"],
  ...["offer by strict", "offer by first_fit"],
  ...["accept", "wrong_swap", "seats_taken", "single_gap"].map((outcome) => `swap: ${outcome}`),
];

t.test("nothing is wrong in 100 lives", async (t) => {
  const outcomes = new Map<string, number>();
  for (let seed = 1; seed <= 100; seed += 1) {
    const life = live(seed);
    t.equal(life.failure, undefined, `seed ${seed}`);
    for (const [outcome, n] of life.outcomes) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + n);
  }
  t.strictSame(
    EVERYTHING.filter((outcome) => (outcomes.get(outcome) ?? 0) < 10),
    [],
    "all that can happen came up",
  );
  t.ok((outcomes.get("swap: waitlist_active") ?? 0) > 0, "a swap met the claim of somebody before it");
  // Lives in which little is sold prove little.
  for (const outcome of [
    "HoldPlaced",
    "HoldExpired",
    "BookingConfirmed",
    "BookingCancelled",
    "PaymentAbandoned",
    "seats_taken",
    "WaiterJoined",
    "OfferMade",
    "OfferAccepted",
    "OfferLapsed",
    "waitlist_active",
  ]) {
    t.ok((outcomes.get(outcome) ?? 0) > 300, `${outcome} came up ${outcomes.get(outcome)} times`);
  }
});

t.test("a seed is the same life again", async (t) => {
  t.same([...live(7).outcomes], [...live(7).outcomes]);
  t.notSame([...live(7).outcomes], [...live(8).outcomes]);
});
