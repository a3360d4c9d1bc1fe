// Drives every payment to its end: authorise → record booked → capture, or void or refund what must not. Each step is
// recorded by a turn before the next is taken, so whoever owns the show can go on from the booking's row alone.
// A1: one drive a booking at a time; it looks at the booking's recorded state, does that state's one step, tells the
//     show, and ends. The show's commit starts the next drive.
// A2: an unknown outcome is asked about by repeating the identical request, with growing pauses, for as long as the
//     state lasts; the payment's own deadline ends `begun`, not this.
// A3: a drive that pauses takes no place from others, and goes on at once when its booking changes.
// A4: what a step says about a state that has passed is ignored by the turn, so a drive too many does no harm.
// A5: only the first call for a payment whose confirm waits here is a beginning. All else settles: in lanes of its own
//     (LANES), so that payments nobody answers stall neither new ones nor the captures and voids of others.
// A6: what is found unfinished (an owner's first look after a restart) is taken up spread out, not in one burst.
// A7: what began longer than `lookUpAfterMs` ago is not asked about by its key any more: providers forget keys, and the
//     same request would begin another payment. Once it is given up it is looked up, and given back, never booked.

import { type BookingId, type ShowId, showOf } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";
import type { SettlePayment } from "../core/command.ts";
import { type Booking, begunAtOf, type Payment } from "../core/state.ts";
import { giveBack, lookUp } from "./give-back.ts";
import { Lanes } from "./lanes.ts";
import { type AuthoriseOutcome, type PaymentGateway, paymentKey } from "./port.ts";
import { Strays } from "./strays.ts";
import { type Watch, Watches } from "./watches.ts";

const AUTHORISE_TIMEOUT_MS = 10_000;
const PAUSE_MIN_MS = 200;
const PAUSE_MAX_MS = 30_000;
/** Asking what became of a payment that was given up: nobody waits for it any more. */
const LOST_PAUSE_MAX_MS = 300_000;
/** Stripe forgets a key after a day. */
const LOOK_UP_AFTER_MS = 23 * 3_600_000;
/** A request under way when the provider hints may still be answered for so long; then it is repeated. */
const HINTED_CALL_MS = 1_000;
/** Steps under way at once; further ones wait their turn. */
const LANES = {
  /** First authorisations, and their captures after them. */
  begin: 512,
  /** Captures and voids of what is known to be authorised. */
  settle: 128,
  /** Repetitions for a booking that still waits for its payment. */
  ask: 64,
  /** Repetitions for one that was given up. */
  lost: 32,
  /** Look-ups of those. Stripe takes 20 searches a second. */
  lookUp: 8,
};
type Lane = keyof typeof LANES;
/** Between two that are found unfinished, on average; and the longest any of them waits, on average. */
const SPREAD_MS = 10;
const SPREAD_MAX_MS = 30_000;
/** Tries of a capture or void that fails for good before the saga says so. */
const FINAL_FAILURES_MAX = 3;

type Outcome = SettlePayment["outcome"];

export interface SagaOptions {
  readonly gateway: PaymentGateway;
  /** Takes the turn; true once it is committed, false when the show cannot be asked now. */
  readonly settle: (showId: ShowId, command: SettlePayment) => Promise<boolean>;
  /** Milliseconds since 1970, as the turns have it. */
  readonly now: () => number;
  /** A7; 23 h unless said. */
  readonly lookUpAfterMs?: number;
  readonly timers: Timers;
  readonly random: () => number;
  readonly log: Log;
}

interface Drive {
  booking: Booking;
  /** The booking changed while a step was under way: drive on from this image. */
  next: Booking | undefined;
  pauseMs: number;
  failures: number;
  /** Nobody was asked yet, and a confirm waits. */
  isNew: boolean;
  /** Found unfinished, and not taken up yet. */
  isSpread: boolean;
  /** The provider spoke of it, and it was not asked since. */
  isHinted: boolean;
  /** While it is asked about. */
  onHint: (() => void) | undefined;
  /** While it pauses. */
  timer: TimerHandle | undefined;
}

export class PaymentSaga {
  readonly #options: SagaOptions;
  readonly #drives = new Map<BookingId, Drive>();
  readonly #lanes = new Lanes<Lane>(LANES);
  /** Payments that no booking keeps. */
  readonly strays: Strays;
  #spread = 0;
  readonly #watches: Watches;
  #isStopped = false;

  constructor(options: SagaOptions) {
    this.#options = options;
    this.#watches = new Watches(options.timers);
    this.strays = new Strays(options.gateway, options.log);
  }

  /** Committed images of bookings with an unfinished payment. Idempotent. */
  onUnfinished(bookings: readonly Booking[]): void {
    if (this.#isStopped) return;
    for (const booking of bookings) {
      const known = this.#drives.get(booking.id);
      if (known !== undefined) {
        if (
          known.booking.payment?.state !== booking.payment?.state ||
          known.booking.payment?.attempt !== booking.payment?.attempt
        ) {
          known.next = booking;
          if (known.timer !== undefined) this.#goOn(known);
        }
        continue;
      }
      this.#takeUp(booking);
    }
  }

  /** The provider has news of this booking's payment: it is asked at once. Nothing where nothing is unfinished. */
  hint(bookingId: BookingId): void {
    const drive = this.#drives.get(bookingId);
    if (drive === undefined || this.#isStopped) return;
    drive.isHinted = true;
    drive.pauseMs = PAUSE_MIN_MS;
    drive.onHint?.();
    if (drive.timer !== undefined) this.#goOn(drive);
  }

  /** Watches for the booking's payment to have an outcome. */
  watch(bookingId: BookingId): Watch {
    return this.#watches.begin(bookingId);
  }

  /** Ends the waiting; steps under way are left to the next owner. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#lanes.clear();
    for (const { timer } of this.#drives.values()) this.#options.timers.clearTimeout(timer);
    await this.#options.gateway.close();
    await this.#lanes.drained();
    await this.strays.drained();
  }

  #takeUp(booking: Booking): void {
    const isNew = this.#isAwaited(booking);
    const drive: Drive = {
      booking,
      next: undefined,
      pauseMs: PAUSE_MIN_MS,
      failures: 0,
      isNew,
      isSpread: !isNew,
      isHinted: false,
      onHint: undefined,
      timer: undefined,
    };
    this.#drives.set(booking.id, drive);
    if (isNew) return this.#enter(drive);
    const { timers, random } = this.#options;
    const delayMs = Math.min(SPREAD_MAX_MS, this.#spread * SPREAD_MS) * (0.5 + random());
    this.#spread += 1;
    drive.timer = timers.setTimeout(() => this.#goOn(drive), delayMs);
  }

  /** A confirm watches before it asks, so this is its payment; one found at a load has no confirm here. */
  #isAwaited({ id, payment }: Booking): boolean {
    return payment?.state === "begun" && this.#watches.has(id);
  }

  #enter(drive: Drive): void {
    this.#lanes.add(this.#laneOf(drive), () => this.#run(drive));
  }

  /** Until its end, or until there is something to wait for. */
  async #run(drive: Drive): Promise<void> {
    this.#takeNext(drive);
    while (!this.#isStopped) {
      const { booking } = drive;
      drive.isHinted = false;
      const step = await this.#step(drive);
      if (this.#isStopped) return;
      if (step === "failed") drive.failures += 1;
      const outcome = step === "failed" ? this.#giveUp(booking, drive.failures) : step;
      const isTold = outcome !== undefined && (await this.#tell(booking, outcome));
      if (isTold) this.#watches.tell(booking.id);
      if (this.#takeNext(drive)) continue;
      if (!isTold) return this.#pause(drive);
      // A voiding payment that turned out authorised, and was not booked after all, has still to be voided.
      if (outcome?.kind !== "authorised" || booking.payment?.state !== "voiding") break;
      drive.booking = { ...booking, payment: { ...booking.payment, reference: outcome.reference } };
    }
    this.#drives.delete(drive.booking.id);
  }

  #takeNext(drive: Drive): boolean {
    if (drive.next === undefined) return false;
    const isAnother = drive.next.payment?.attempt !== drive.booking.payment?.attempt;
    drive.booking = drive.next;
    drive.next = undefined;
    if (isAnother) drive.isNew = this.#isAwaited(drive.booking);
    drive.pauseMs = PAUSE_MIN_MS;
    drive.failures = 0;
    return true;
  }

  #pause(drive: Drive): void {
    if (this.#isStopped) return;
    const { timers, random } = this.#options;
    // A hint that came while it was being asked is no reason to pause for long.
    const pauseMs = drive.isHinted ? PAUSE_MIN_MS : drive.pauseMs;
    drive.timer = timers.setTimeout(() => this.#goOn(drive), pauseMs * (0.5 + random()));
    const isLost = drive.booking.payment?.reference === undefined && drive.booking.payment?.state !== "begun";
    drive.pauseMs = Math.min(isLost ? LOST_PAUSE_MAX_MS : PAUSE_MAX_MS, pauseMs * 2);
  }

  #goOn(drive: Drive): void {
    this.#options.timers.clearTimeout(drive.timer);
    drive.timer = undefined;
    if (drive.isSpread) this.#spread -= 1;
    drive.isSpread = false;
    this.#enter(drive);
  }

  /** One call to the payment gateway. `undefined`: nothing is known yet; `failed`: it will never work. */
  async #step(drive: Drive): Promise<Outcome | "failed" | undefined> {
    const { booking } = drive;
    const payment = booking.payment as Payment;
    const key = paymentKey(booking.id, payment.attempt);
    switch (payment.state) {
      case "begun":
        // Its deadline will end it.
        return this.#isOlder(payment, payment.lineMs) ? undefined : this.#authorise(drive, payment);
      case "authorised": {
        const captured = await this.#options.gateway.capture(payment.reference as string, `${key}:capture`);
        return captured === "captured" ? { kind: "captured" } : captured === "failed" ? "failed" : undefined;
      }
      case "voiding":
      case "refunding":
        return this.#endUnbooked(drive, payment, key);
      case "captured":
      case "declined":
      case "voided":
      case "refunded":
        return undefined;
    }
  }

  /** What is not, or no longer, booked: given back, or looked up, or first of all asked about. */
  async #endUnbooked(drive: Drive, payment: Payment, key: string): Promise<Outcome | "failed" | undefined> {
    const { gateway, log } = this.#options;
    const { id } = drive.booking;
    const { reference, attempt } = payment;
    const isAsked = reference === undefined && !this.#isOlder(payment, 0);
    if (isAsked) return this.#authorise(drive, payment);
    const end = await (reference === undefined ? lookUp(gateway, id, attempt) : giveBack(gateway, reference, key));
    if (reference === undefined && end !== undefined) {
      log.info({ booking_id: id, attempt, end }, "a payment of unknown outcome was looked up");
    }
    if (end === undefined || end === "failed") return end;
    return { kind: end === "refunded" ? "refunded" : "voided" };
  }

  /** Whether it began too long ago to be asked about by its key (A7), and at least `leastMs` ago. */
  #isOlder(payment: Payment, leastMs: number): boolean {
    const { now, lookUpAfterMs = LOOK_UP_AFTER_MS } = this.#options;
    return now() - begunAtOf(payment) >= Math.max(lookUpAfterMs, leastMs);
  }

  async #authorise(drive: Drive, payment: Payment): Promise<Outcome | undefined> {
    const { booking, isNew } = drive;
    drive.isNew = false;
    const call = this.#options.gateway.authorise({
      bookingId: booking.id,
      attempt: payment.attempt,
      amount: booking.total,
      currency: booking.currency,
      paymentToken: payment.token,
      purpose: isNew && payment.state === "begun" ? "begin" : "settle",
      timeoutMs: AUTHORISE_TIMEOUT_MS,
    });
    const outcome = await this.#unlessHinted(drive, call);
    if (outcome.kind === "authorised" || outcome.kind === "declined") return outcome;
    return undefined;
  }

  /** What hangs is not waited for when the provider has news; the gateway itself bounds it. */
  async #unlessHinted(drive: Drive, call: Promise<AuthoriseOutcome>): Promise<AuthoriseOutcome> {
    const { timers } = this.#options;
    let timer: TimerHandle | undefined;
    const hinted = new Promise<AuthoriseOutcome>((resolve) => {
      drive.onHint = () => {
        timer ??= timers.setTimeout(() => resolve({ kind: "unknown" }), HINTED_CALL_MS);
      };
    });
    try {
      return await Promise.race([call, hinted]);
    } finally {
      drive.onHint = undefined;
      timers.clearTimeout(timer);
    }
  }

  #giveUp(booking: Booking, failures: number): Outcome | undefined {
    if (failures < FINAL_FAILURES_MAX) return undefined;
    const { id, payment } = booking;
    if (payment?.state === "authorised") return { kind: "capture_failed" };
    if (failures === FINAL_FAILURES_MAX) {
      this.#options.log.error(
        { booking_id: id, reference: payment?.reference },
        "a payment cannot be voided or refunded: look at it by hand",
      );
    }
    return undefined;
  }

  async #tell(booking: Booking, outcome: Outcome): Promise<boolean> {
    const command: SettlePayment = {
      kind: "SettlePayment",
      bookingId: booking.id,
      attempt: booking.payment?.attempt ?? 0,
      outcome,
    };
    return this.#options.settle(showOf(booking.id) as ShowId, command);
  }

  #laneOf({ booking: { payment }, isNew, isHinted }: Drive): Lane {
    if (payment?.reference !== undefined) return "settle";
    if (payment?.state !== "begun") {
      if (payment !== undefined && this.#isOlder(payment, 0)) return "lookUp";
      return isHinted ? "settle" : "lost";
    }
    if (isNew) return "begin";
    return isHinted ? "settle" : "ask";
  }
}
