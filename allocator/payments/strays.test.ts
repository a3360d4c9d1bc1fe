// Goal: a payment that no booking keeps goes back once, however often it is hinted at, and only when the provider itself
// says that it is there. Method: a provider in the test's hand.

import t from "tap";
import type { BookingId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { settled } from "../../waitlist/poll/fake-time.ts";
import type { CancelOutcome, FindOutcome, PaymentGateway, RefundOutcome } from "./port.ts";
import { Strays } from "./strays.ts";

const STRAY = { bookingId: `show-1.${"b".repeat(22)}` as BookingId, attempt: 1, reference: "pi_1" };
const found = (state: "open" | "under_way" | "over"): FindOutcome => ({
  kind: "found",
  payments: [{ reference: "pi_1", state }],
});

function setUp(looked: FindOutcome, cancelled: CancelOutcome = "cancelled", refunded: RefundOutcome = "refunded") {
  const calls: string[] = [];
  const gateway: Pick<PaymentGateway, "look" | "cancel" | "refund"> = {
    look: async (reference) => {
      calls.push(`look ${reference}`);
      return looked;
    },
    cancel: async (reference) => {
      calls.push(`cancel ${reference}`);
      await settled();
      return cancelled;
    },
    refund: async (reference) => {
      calls.push(`refund ${reference}`);
      return refunded;
    },
  };
  return { calls, strays: new Strays(gateway as PaymentGateway, silentLog()) };
}

t.test("what the provider has is cancelled, or refunded; what it has not is left", async (t) => {
  const cases: [FindOutcome, CancelOutcome, RefundOutcome, string[], boolean][] = [
    [found("open"), "cancelled", "refunded", ["look pi_1", "cancel pi_1"], true],
    [found("open"), "already_captured", "refunded", ["look pi_1", "cancel pi_1", "refund pi_1"], true],
    [found("open"), "already_captured", "unknown", ["look pi_1", "cancel pi_1", "refund pi_1"], false],
    [found("open"), "unknown", "refunded", ["look pi_1", "cancel pi_1"], false],
    [found("open"), "failed", "refunded", ["look pi_1", "cancel pi_1"], false],
    [found("over"), "cancelled", "refunded", ["look pi_1"], true],
    [found("under_way"), "cancelled", "refunded", ["look pi_1"], true],
    [{ kind: "found", payments: [] }, "cancelled", "refunded", ["look pi_1"], true],
    [{ kind: "unknown" }, "cancelled", "refunded", ["look pi_1"], false],
    [{ kind: "failed" }, "cancelled", "refunded", ["look pi_1"], false],
  ];
  for (const [looked, cancelled, refunded, expected, isGone] of cases) {
    const { strays, calls } = setUp(looked, cancelled, refunded);
    t.equal(await strays.giveBack(STRAY), isGone, JSON.stringify([looked, cancelled, refunded]));
    t.same(calls, expected);
  }
});

t.test("hinted at twice at once it is given back once; so many at once, no more", async (t) => {
  const { strays, calls } = setUp(found("open"));
  t.same(await Promise.all([strays.giveBack(STRAY), strays.giveBack(STRAY)]), [true, true]);
  t.same(calls, ["look pi_1", "cancel pi_1"]);
  const gone = await Promise.all(
    Array.from({ length: 65 }, (_, i) => strays.giveBack({ ...STRAY, reference: `pi_${i}` })),
  );
  t.equal(gone.filter((isGone) => isGone).length, 64);
  await strays.drained();
  t.equal(await strays.giveBack(STRAY), true, "and then again");
});
