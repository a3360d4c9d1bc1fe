// Goal: every payment comes to its end: nothing recorded is left undriven, nothing is driven twice at once, and one
// that nobody answers keeps no other waiting. Method: a provider and a show in the test's hand, time by hand.

import t from "tap";
import { bookingIdOf, type ShowId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { newOperation, newSession } from "../../test/harness/allocator.ts";
import { FakeTime, settled } from "../../waitlist/poll/fake-time.ts";
import type { SettlePayment } from "../core/command.ts";
import type { Booking, Payment, PaymentState } from "../core/state.ts";
import type {
  AuthoriseOutcome,
  CancelOutcome,
  CaptureOutcome,
  FindOutcome,
  PaymentGateway,
  RefundOutcome,
} from "./port.ts";
import { PaymentSaga, type ShowAnswer } from "./saga.ts";

const SHOW = "show-1" as ShowId;
/** When the tests begin. */
const BEGUN_AT = new FakeTime().nowMs;
const LOOK_UP_AFTER_MS = 23 * 3_600_000;
const open = (reference: string) => ({ reference, state: "open" }) as const;

function paying(state: PaymentState = "begun", change: Partial<Payment> = {}): Booking {
  return {
    id: bookingIdOf(SHOW, newOperation().id),
    session: newSession(),
    status: state === "begun" ? "paying" : state === "voiding" ? "released" : "booked",
    total: 1_200,
    currency: "USD",
    payment: { attempt: 1, state, token: "pm_card_visa", deadlineAt: 0, lineMs: 0, begunAt: BEGUN_AT, ...change },
  } as unknown as Booking;
}

const moved = (booking: Booking, state: PaymentState, change: Partial<Payment> = {}): Booking => ({
  ...booking,
  payment: { ...(booking.payment as Payment), state, ...change },
});

/** A provider that answers as told, and a show that records. */
class Till {
  readonly time = new FakeTime();
  readonly calls: string[] = [];
  readonly purposes: string[] = [];
  readonly told: string[] = [];
  authorisation: () => AuthoriseOutcome | Promise<AuthoriseOutcome> = () => ({ kind: "authorised", reference: "pi_1" });
  captureOutcome: CaptureOutcome = "captured";
  cancelOutcome: CancelOutcome = "cancelled";
  refundOutcome: RefundOutcome = "refunded";
  /** What the provider finds. */
  found: FindOutcome = { kind: "found", payments: [] };
  /** How it says that `pi_1` stands. */
  standing: "open" | "over" | "under_way" | "unknown" = "open";
  /** What the show does with what it is told; false: it cannot be asked now. */
  record: (command: SettlePayment) => boolean | Promise<boolean> = () => true;
  /** How the payment stands where the show is asked; `done`: as it was. */
  present: ShowAnswer = "done";
  isElsewhere = false;
  isClosed = false;
  readonly saga: PaymentSaga;

  constructor() {
    const gateway: PaymentGateway = {
      authorise: async ({ bookingId, attempt, purpose }) => {
        this.purposes.push(purpose);
        this.calls.push(`authorise ${this.#name(bookingId)}:${attempt}`);
        return this.authorisation();
      },
      capture: async (reference, key) => {
        this.calls.push(`capture ${reference} ${key.slice(-9)}`);
        return this.captureOutcome;
      },
      cancel: async (reference, key) => {
        this.calls.push(`cancel ${reference} ${key.slice(-8)}`);
        return this.cancelOutcome;
      },
      refund: async (reference, key) => {
        this.calls.push(`refund ${reference} ${key.slice(-8)}`);
        return this.refundOutcome;
      },
      find: async (bookingId, attempt) => {
        this.calls.push(`find ${this.#name(bookingId)}:${attempt}`);
        return this.found;
      },
      look: async (reference, bookingId, attempt) => {
        this.calls.push(`look ${reference} ${this.#name(bookingId)}:${attempt}`);
        const state = this.standing;
        return state === "unknown" ? { kind: "unknown" } : { kind: "found", payments: [{ reference, state }] };
      },
      available: () => true,
      mayBegin: () => true,
      retryAfterMs: () => 0,
      close: async () => {
        this.isClosed = true;
      },
    };
    this.saga = new PaymentSaga({
      gateway,
      ask: async (_, command) => {
        if (this.isElsewhere) return "moved";
        if (command.kind === "CheckPayment") return this.present;
        this.told.push(command.outcome.kind);
        return (await this.record(command)) ? "other" : "not_now";
      },
      now: this.time.now,
      timers: this.time,
      random: () => 0.5,
      log: silentLog(),
    });
  }

  readonly #names = new Map<string, number>();
  #name(id: string): number {
    const name = this.#names.get(id) ?? this.#names.size + 1;
    this.#names.set(id, name);
    return name;
  }

  /** A confirm: it watches, then its payment is committed. */
  begin(...bookings: Booking[]): void {
    for (const { id } of bookings) this.saga.watch(id);
    this.saga.onUnfinished(bookings);
  }

  /** What a new owner finds: taken up in a moment. */
  async find(...bookings: Booking[]): Promise<void> {
    this.saga.onUnfinished(bookings);
    await this.pass(100);
  }

  async rest(): Promise<void> {
    for (let i = 0; i < 5; i += 1) await settled();
  }

  async pass(ms: number): Promise<void> {
    await this.rest();
    for (let left = ms; left > 0; left -= 100) {
      await this.time.pass(Math.min(100, left));
      await this.rest();
    }
  }

  /** The show as it is: each outcome leads to the next recorded state. */
  recordsLike(booking: Booking, mayBookLate = false): void {
    let present = booking;
    const commit = (state: PaymentState, change: Partial<Payment> = {}): void => {
      present = moved(present, state, change);
      if (["authorised", "voiding", "refunding", "begun"].includes(state)) this.saga.onUnfinished([present]);
    };
    this.record = ({ outcome }) => {
      const state = present.payment?.state;
      if (outcome.kind === "authorised" && (state === "begun" || (state === "voiding" && mayBookLate))) {
        commit("authorised", { reference: outcome.reference });
      } else if (outcome.kind === "captured") commit("captured");
      else if (outcome.kind === "voided") commit("voided");
      else if (outcome.kind === "declined") commit(state === "begun" ? "declined" : "voided");
      else if (outcome.kind === "capture_failed") commit("refunding");
      return true;
    };
  }
}

t.test("authorise, record, capture, record", async (t) => {
  const till = new Till();
  const booking = paying();
  till.recordsLike(booking);
  till.begin(booking);
  await till.rest();
  t.same(till.calls, ["authorise 1:1", "capture pi_1 1:capture"]);
  t.same(till.told, ["authorised", "captured"]);
  await till.pass(600_000);
  t.equal(till.calls.length, 2, "and that is all");
});

t.test("the same booking again while it is driven starts nothing", async (t) => {
  const till = new Till();
  const booking = paying();
  let answer: (outcome: AuthoriseOutcome) => void = () => undefined;
  till.authorisation = () => new Promise((resolve) => (answer = resolve));
  till.recordsLike(booking);
  till.begin(booking);
  till.saga.onUnfinished([booking]);
  await till.rest();
  t.same(till.calls, ["authorise 1:1"]);
  till.saga.onUnfinished([{ ...booking }]);
  answer({ kind: "declined", reason: "insufficient_funds" });
  await till.rest();
  t.same(till.told, ["declined"]);
  t.equal(till.calls.length, 1);
});

t.test("an unknown outcome is asked about again, with growing pauses, by the identical request", async (t) => {
  const till = new Till();
  till.authorisation = () => ({ kind: "unknown" });
  const booking = paying();
  till.begin(booking);
  await till.rest();
  await till.pass(60_000);
  t.ok(till.calls.length >= 7 && till.calls.length <= 12, `${till.calls.length} calls in a minute`);
  t.same([...new Set(till.calls)], ["authorise 1:1"]);
  t.same(till.told, []);
});

t.test("a show that cannot be asked is told again", async (t) => {
  const till = new Till();
  const booking = paying();
  let isAway = true;
  till.record = () => !isAway;
  till.begin(booking);
  await till.rest();
  isAway = false;
  await till.pass(1_000);
  await till.rest();
  t.same(till.told, ["authorised", "authorised"]);
});

t.test("its deadline passes while nobody answers: the void begins at once, not after the pause", async (t) => {
  const till = new Till();
  till.authorisation = () => ({ kind: "unknown" });
  const booking = paying();
  till.recordsLike(booking);
  till.begin(booking);
  await till.pass(100_000);
  const asked = till.calls.length;
  till.authorisation = () => ({ kind: "declined", reason: "expired_card" });
  till.recordsLike(moved(booking, "voiding"));
  till.saga.onUnfinished([moved(booking, "voiding")]);
  await till.rest();
  t.equal(till.calls.length, asked + 1);
  t.same(till.told, ["declined"]);
});

t.test("a success that comes after its release is cancelled", async (t) => {
  const till = new Till();
  const booking = paying("voiding");
  till.recordsLike(booking);
  await till.find(booking);
  await till.rest();
  t.same(till.calls, ["authorise 1:1", "look pi_1 1:1", "cancel pi_1 1:cancel"]);
  t.same(till.told, ["authorised", "voided"]);
});

t.test("an owner that died had cancelled it already: the repeated answer is old, and is not booked upon", async (t) => {
  const till = new Till();
  const booking = paying("voiding");
  till.recordsLike(booking, true);
  till.standing = "unknown";
  await till.find(booking);
  await till.pass(10_000);
  t.same(till.told, [], "the provider does not say how it stands");
  till.standing = "over";
  await till.pass(60_000);
  t.same(till.told, ["voided"]);
  t.same([...new Set(till.calls)], ["authorise 1:1", "look pi_1 1:1"]);
});

t.test("a show that moved to another node: what is found out is for its owner to act upon", async (t) => {
  const till = new Till();
  till.isElsewhere = true;
  till.time.nowMs = LOOK_UP_AFTER_MS + BEGUN_AT;
  const young = { begunAt: till.time.nowMs, lineMs: 120_000 };
  const [given, begun, old] = [paying("voiding", young), paying("begun", young), paying("voiding")];
  await till.find(given, begun, old);
  await till.pass(60_000);
  t.same(till.calls.sort(), ["authorise 1:1", "authorise 2:1", "look pi_1 1:1"], "nothing is cancelled");
  till.isElsewhere = false;
  till.recordsLike(given);
  await till.find(given);
  t.same(till.told, ["authorised", "voided"], "and when it comes back it is driven on");
});

t.test(
  "what ended meanwhile, under another owner, is not looked up and given back by who has an old image",
  async (t) => {
    const till = new Till();
    till.time.nowMs += LOOK_UP_AFTER_MS;
    till.found = { kind: "found", payments: [open("pi_1")] };
    till.present = "not_now";
    await till.find(paying("voiding"));
    till.present = "other";
    await till.pass(60_000);
    t.same(till.calls, []);
    t.same(till.told, []);
  },
);

t.test("what was captured is refunded, and for as long as it takes, by the identical requests", async (t) => {
  const till = new Till();
  till.cancelOutcome = "already_captured";
  till.refundOutcome = "unknown";
  till.saga.onUnfinished([paying("refunding", { reference: "pi_7" })]);
  await till.pass(60_000);
  t.same(till.told, []);
  t.ok(till.calls.length >= 12, `${till.calls.length} calls in a minute`);
  till.refundOutcome = "refunded";
  await till.pass(60_000);
  t.same(till.told, ["refunded"]);
  t.same([...new Set(till.calls)], ["cancel pi_7 1:cancel", "refund pi_7 1:refund"]);
});

t.test("one that was only authorised is cancelled, and nothing is refunded", async (t) => {
  const till = new Till();
  till.saga.onUnfinished([paying("refunding", { reference: "pi_8" })]);
  await till.pass(1_000);
  t.same(till.told, ["voided"]);
  t.same(till.calls, ["cancel pi_8 1:cancel"]);
});

t.test("or booked, when nobody is in the way: then it is captured and not cancelled", async (t) => {
  const till = new Till();
  const booking = paying("voiding");
  till.recordsLike(booking, true);
  await till.find(booking);
  await till.rest();
  t.same(till.calls, ["authorise 1:1", "look pi_1 1:1", "capture pi_1 1:capture"]);
});

t.test("abandoned while the answer was under way: driven on from there", async (t) => {
  const till = new Till();
  const booking = paying();
  let answer: (outcome: AuthoriseOutcome) => void = () => undefined;
  till.authorisation = () => new Promise((resolve) => (answer = resolve));
  till.recordsLike(moved(booking, "voiding"));
  till.begin(booking);
  await till.rest();
  till.saga.onUnfinished([moved(booking, "voiding")]);
  till.authorisation = () => ({ kind: "authorised", reference: "pi_1" });
  answer({ kind: "authorised", reference: "pi_1" });
  await till.rest();
  t.same(till.calls, ["authorise 1:1", "authorise 1:1", "look pi_1 1:1", "cancel pi_1 1:cancel"]);
  t.same(till.told, ["authorised", "authorised", "voided"]);
});

t.test("a capture that fails for good is tried thrice, then given back", async (t) => {
  const till = new Till();
  till.captureOutcome = "failed";
  const booking = paying("authorised", { reference: "pi_9" });
  till.recordsLike(booking);
  await till.find(booking);
  await till.pass(5_000);
  await till.rest();
  t.same(till.told, ["capture_failed", "voided"]);
  t.same(till.calls, [...new Array(3).fill("capture pi_9 1:capture"), "cancel pi_9 1:cancel"]);
});

t.test("payments that nobody answers keep no other waiting", async (t) => {
  const till = new Till();
  till.authorisation = () => ({ kind: "unknown" });
  till.begin(...Array.from({ length: 2_000 }, () => paying()));
  await till.pass(60_000);
  const last = paying();
  till.authorisation = () => ({ kind: "authorised", reference: "pi_1" });
  till.recordsLike(last);
  till.calls.length = 0;
  till.begin(last);
  await till.rest();
  t.ok(till.calls.includes("capture pi_1 1:capture"), "it is paid while the others pause");
});

t.test("so many calls at once, no more; all have their turn", async (t) => {
  const till = new Till();
  let underWay = 0;
  let most = 0;
  till.authorisation = async () => {
    underWay += 1;
    most = Math.max(most, underWay);
    await settled();
    underWay -= 1;
    return { kind: "declined", reason: "no" };
  };
  till.begin(...Array.from({ length: 3_000 }, () => paying()));
  for (let i = 0; i < 20; i += 1) await till.rest();
  t.equal(till.told.length, 3_000);
  t.equal(most, 512);
});

t.test("a watch hears the outcome; one that hears nothing ends in time", async (t) => {
  const till = new Till();
  const booking = paying();
  let answer: (outcome: AuthoriseOutcome) => void = () => undefined;
  till.authorisation = () => new Promise((resolve) => (answer = resolve));
  const watch = till.saga.watch(booking.id);
  const heard: string[] = [];
  void watch.outcome(2_000).then(() => heard.push("outcome"));
  void till.saga
    .watch(paying().id)
    .outcome(2_000)
    .then(() => heard.push("bound"));
  till.begin(booking);
  await till.rest();
  t.same(heard, []);
  answer({ kind: "declined", reason: "no" });
  await till.rest();
  t.same(heard, ["outcome"]);
  watch.end();
  await till.pass(2_000);
  t.same(heard, ["outcome", "bound"]);
});

t.test("stop ends at once, also what pauses, and starts nothing more", async (t) => {
  const till = new Till();
  till.authorisation = () => ({ kind: "unknown" });
  till.begin(...Array.from({ length: 600 }, () => paying()));
  await till.pass(60_000);
  const calls = till.calls.length;
  let isStopped = false;
  void till.saga.stop().then(() => {
    isStopped = true;
  });
  await till.rest();
  t.ok(isStopped, "no pause is waited for");
  t.ok(till.isClosed);
  till.saga.onUnfinished([paying()]);
  await till.pass(600_000);
  t.equal(till.calls.length, calls);
  t.equal(till.time.armed.length, 0);
});

t.test(
  "only the first call of a new confirm is a beginning; repeats, also of what a new owner finds, settle",
  async (t) => {
    const till = new Till();
    till.authorisation = () => ({ kind: "unknown" });
    till.begin(paying());
    await till.pass(5_000);
    t.ok(till.purposes.length > 3);
    t.same(till.purposes.splice(0), ["begin", ...new Array(till.calls.length - 1).fill("settle")]);
    const next = new Till();
    next.authorisation = till.authorisation;
    await next.find(paying(), paying("voiding"));
    await next.pass(5_000);
    t.same([...new Set(next.purposes)], ["settle"]);
  },
);

t.test("a payment that was given up is asked about less and less", async (t) => {
  const till = new Till();
  till.authorisation = () => ({ kind: "unknown" });
  await till.find(paying("voiding"));
  await till.pass(1_200_000);
  till.calls.length = 0;
  await till.pass(1_200_000);
  t.equal(till.calls.length, 4, "every 300 s");
});

t.test("what a new owner finds is taken up spread out, not in one burst", async (t) => {
  const till = new Till();
  till.authorisation = () => ({ kind: "declined", reason: "no" });
  await till.find(...Array.from({ length: 1_000 }, () => paying()));
  t.ok(till.calls.length >= 5 && till.calls.length <= 20, `${till.calls.length} in 100 ms`);
  await till.pass(10_000);
  t.equal(till.told.length, 1_000);
});

t.test("calls that hang keep neither new payments waiting, nor captures, nor voids", async (t) => {
  const till = new Till();
  till.authorisation = () => new Promise(() => undefined);
  till.begin(...Array.from({ length: 600 }, () => paying()));
  await till.find(
    ...Array.from({ length: 300 }, () => paying()),
    ...Array.from({ length: 300 }, () => paying("voiding")),
  );
  await till.pass(10_000);
  t.equal(till.purposes.filter((purpose) => purpose === "settle").length, 64 + 32);
  t.equal(till.purposes.filter((purpose) => purpose === "begin").length, 512);
  const due = [paying("authorised", { reference: "pi_1" }), paying("voiding", { reference: "pi_2" })];
  till.calls.length = 0;
  await till.find(...due);
  await till.pass(10_000);
  t.same(till.calls.map((call) => call.split(" ", 2).join(" ")).sort(), ["cancel pi_2", "capture pi_1"]);

  const other = new Till();
  other.authorisation = till.authorisation;
  await other.find(
    ...Array.from({ length: 600 }, () => paying()),
    ...Array.from({ length: 600 }, () => paying("voiding")),
  );
  await other.pass(20_000);
  const last = paying();
  other.authorisation = () => ({ kind: "authorised", reference: "pi_3" });
  other.recordsLike(last);
  other.begin(last);
  await other.rest();
  t.same(other.told, ["authorised", "captured"]);
});

t.test("what was given up is asked about by its key for 23 hours, then looked up, also by a new owner", async (t) => {
  const till = new Till();
  till.authorisation = () => ({ kind: "unknown" });
  const booking = paying("voiding");
  till.time.nowMs += LOOK_UP_AFTER_MS - 700_000;
  await till.find(booking);
  await till.pass(600_000);
  t.same([...new Set(till.calls)], ["authorise 1:1"]);
  till.calls.length = 0;
  await till.pass(600_000);
  t.ok(till.calls.includes("find 1:1"));
  t.same(till.calls.slice(till.calls.indexOf("find 1:1")), ["find 1:1"], "and it is asked by its key no more");
  t.same(till.told, ["voided"]);

  const next = new Till();
  next.time.nowMs += LOOK_UP_AFTER_MS;
  await next.find(paying("voiding"));
  t.same(next.calls, ["find 1:1"]);
});

t.test("a row of the first version began as its deadline says", async (t) => {
  const till = new Till();
  const { begunAt, ...payment } = paying("voiding").payment as Payment;
  t.ok(begunAt);
  const old = (deadlineAt: number): Booking => ({
    ...paying("voiding"),
    payment: { ...payment, deadlineAt, lineMs: 120_000 },
  });
  till.authorisation = () => ({ kind: "declined", reason: "no" });
  const now = till.time.nowMs;
  await till.find(old(now + 120_000 - LOOK_UP_AFTER_MS), old(now + 121_000 - LOOK_UP_AFTER_MS));
  t.same(till.calls, ["find 1:1", "authorise 2:1"]);
});

t.test("what a look-up finds is given back, never booked: all of it, each by its own key", async (t) => {
  const till = new Till();
  till.time.nowMs += LOOK_UP_AFTER_MS;
  const booking = paying("voiding");
  till.recordsLike(booking, true);
  till.found = { kind: "found", payments: [open("pi_1"), { reference: "pi_2", state: "over" }, open("pi_3")] };
  await till.find(booking);
  t.same(till.calls, ["find 1:1", "cancel pi_1 1:cancel", "cancel pi_3 3:cancel"]);
  t.same(till.told, ["voided"]);

  const captured = new Till();
  captured.time.nowMs += LOOK_UP_AFTER_MS;
  captured.cancelOutcome = "already_captured";
  captured.found = { kind: "found", payments: [open("pi_1")] };
  await captured.find(paying("voiding"));
  t.same(captured.calls, ["find 1:1", "cancel pi_1 1:cancel", "refund pi_1 1:refund"]);
  t.same(captured.told, ["refunded"]);
});

t.test("nothing is over while one may yet succeed, or the provider does not say", async (t) => {
  for (const found of [
    { kind: "unknown" },
    { kind: "failed" },
    { kind: "found", payments: [{ reference: "pi_1", state: "under_way" }] },
  ] as const) {
    const till = new Till();
    till.time.nowMs += LOOK_UP_AFTER_MS;
    till.found = found;
    await till.find(paying("voiding"));
    await till.pass(60_000);
    t.same(till.told, [], found.kind);
    t.ok(till.calls.length > 3 && till.calls.every((call) => call === "find 1:1"), found.kind);
    till.found = { kind: "found", payments: [] };
    await till.pass(60_000);
    t.same(till.told, ["voided"]);
  }
});

t.test("one that is begun and as old is not asked about by its key either: its deadline ends it", async (t) => {
  const till = new Till();
  till.authorisation = () => ({ kind: "unknown" });
  till.time.nowMs += LOOK_UP_AFTER_MS;
  const booking = paying("begun");
  await till.find(booking);
  await till.pass(60_000);
  t.same(till.calls, []);
  till.saga.onUnfinished([moved(booking, "voiding")]);
  await till.pass(100);
  t.same(till.calls, ["find 1:1"]);
});

t.test("a hint ends a pause at once; twice does no more harm than once, and of another booking none", async (t) => {
  const till = new Till();
  till.authorisation = () => ({ kind: "unknown" });
  const booking = paying();
  till.recordsLike(booking);
  till.begin(booking);
  await till.pass(60_000);
  till.calls.length = 0;
  till.authorisation = () => ({ kind: "authorised", reference: "pi_1" });
  till.saga.hint(paying().id);
  await till.rest();
  t.same(till.calls, []);
  till.saga.hint(booking.id);
  till.saga.hint(booking.id);
  await till.rest();
  t.same(till.calls, ["authorise 1:1", "capture pi_1 1:capture"]);
  till.saga.hint(booking.id);
  await till.pass(60_000);
  t.equal(till.calls.length, 2);
  t.same(till.told, ["authorised", "captured"]);
});

t.test("a request that hangs is repeated soon after a hint; one that is answered meanwhile is not", async (t) => {
  const till = new Till();
  till.authorisation = () => new Promise(() => undefined);
  const booking = paying();
  till.recordsLike(booking);
  till.begin(booking);
  await till.pass(5_000);
  t.same(till.calls, ["authorise 1:1"]);
  till.authorisation = () => ({ kind: "authorised", reference: "pi_1" });
  till.saga.hint(booking.id);
  await till.pass(1_300);
  t.same(till.calls, ["authorise 1:1", "authorise 1:1", "capture pi_1 1:capture"]);

  const quick = new Till();
  let answer: (outcome: AuthoriseOutcome) => void = () => undefined;
  quick.authorisation = () => new Promise((resolve) => (answer = resolve));
  const other = paying();
  quick.recordsLike(other);
  quick.begin(other);
  await quick.rest();
  quick.saga.hint(other.id);
  await quick.pass(900);
  answer({ kind: "authorised", reference: "pi_2" });
  await quick.pass(60_000);
  t.same(quick.calls, ["authorise 1:1", "capture pi_2 1:capture"]);
  t.equal(quick.time.armed.length, 0);
});
