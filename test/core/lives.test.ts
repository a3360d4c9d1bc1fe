// Random lives of a show: whatever is asked of it, by whom, in whatever order, with clocks that go back, keys used
// again, rows gone cold and owners that change, the rules of the house hold after every turn.
// Method: see scenario.ts (what is drawn), auditor.ts and verdict.ts (what is checked).

import fc from "fast-check";
import t from "tap";
import { holds } from "./property.ts";
import { NUMBERS_PER_STEP, Scenario } from "./scenario.ts";

const numbers = (length: number) => fc.array(fc.nat(997), { minLength: length, maxLength: length });

t.test("the rules hold in every life", async (t) => {
  const seen = new Map<string, number>();
  const property = fc.property(
    numbers(6),
    fc.array(numbers(NUMBERS_PER_STEP), { maxLength: 120, size: "max" }),
    (setup, steps) => {
      const scenario = new Scenario(setup);
      for (const [i, step] of steps.entries()) {
        const wrong = scenario.step(step);
        if (wrong.length > 0) throw new Error(`after step ${i}: ${wrong.join("; ")}`);
      }
      const wrong = scenario.finish();
      if (wrong.length > 0) throw new Error(wrong.join("; "));
      for (const [outcome, n] of scenario.outcomes) seen.set(outcome, (seen.get(outcome) ?? 0) + n);
    },
  );
  holds(t, "a life", property, { numRuns: 300 });
  // What never came up was not tested.
  const everything = [
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
  ];
  t.strictSame(
    everything.filter((outcome) => !seen.has(outcome)),
    [],
    "everything that can happen came up",
  );
});
