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
// A8: a show may move to another node, and its payments end there. So a drive ends when the show is elsewhere, and what
//     gives money back without a recorded reference first asks the show whether that is still to be done.

import { type BookingId, type ShowId, showOf } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";
import type { CheckPayment } from "../../shared/protocol/command.ts";
import type { SettlePayment } from "../core/command.ts";
import { type Booking, begunAtOf, type Payment } from "../core/state.ts";
import { LANES, type Lane, laneOf } from "./drive-lanes.ts";
import { type GivenBack, giveBack, isOver, lookUp } from "./give-back.ts";
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
/** Between two that are found unfinished, on average; and the longest any of them waits, on average. */
const SPREAD_MS = 10;
const SPREAD_MAX_MS = 30_000;
/** Tries of a capture or void that fails for good before the saga says so. */
const FINAL_FAILURES_MAX = 3;

type Outcome = SettlePayment["outcome"];
/** What came of a step. `undefined`: nothing is known yet; `failed`: it will never work; `elsewhere`: not ours to take. */
type Step = Outcome | "failed" | "elsewhere" | undefined;

/** `done`: as asked, or nothing to do. `other`: a booking or a refusal. `moved`: another node's. `not_now`: ask again. */
export type ShowAnswer = "done" | "other" | "moved" | "not_now";

export interface SagaOptions {
  readonly gateway: PaymentGateway;
  /** Takes the turn, and answers once it is committed. */
  readonly ask: (showId: ShowId, command: SettlePayment | CheckPayment) => Promise<ShowAnswer>;
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
    const payment = drive.booking.payment as Payment;
    const lane = laneOf(payment, { ...drive, isOld: this.#isOlder(payment, 0) });
    this.#lanes.add(lane, () => this.#run(drive));
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
      const told = await this.#tell(booking, outcome);
      if (told === "done") this.#watches.tell(booking.id);
      if (this.#takeNext(drive)) continue;
      if (told === "moved") break;
      if (told === "not_now") return this.#pause(drive);
      // A voiding payment that turned out authorised, and was not booked after all, has still to be voided.
      if (typeof outcome !== "object" || outcome.kind !== "authorised" || booking.payment?.state !== "voiding") break;
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

  /** One call to the payment gateway, or the few that belong together. */
  async #step(drive: Drive): Promise<Step> {
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
  async #endUnbooked(drive: Drive, payment: Payment, key: string): Promise<Step> {
    const { gateway } = this.#options;
    const { id } = drive.booking;
    const { reference, attempt } = payment;
    if (reference !== undefined) return ended(await giveBack(gateway, reference, key));
    if (this.#isOlder(payment, 0)) return this.#lookUp(id, attempt);
    const outcome = await this.#authorise(drive, payment);
    if (outcome?.kind !== "authorised") return outcome;
    const over = await isOver(gateway, outcome.reference, id, attempt);
    return over === undefined ? undefined : over ? { kind: "voided" } : outcome;
  }

  async #lookUp(bookingId: BookingId, attempt: number): Promise<Step> {
    const { gateway, log } = this.#options;
    const present = await this.#ask({ kind: "CheckPayment", bookingId, attempt, reference: "" });
    // A8: anything but `done` is a payment that has ended, or has a reference by now.
    if (present !== "done") return present === "not_now" ? undefined : "elsewhere";
    const end = await lookUp(gateway, bookingId, attempt);
    if (end !== undefined)
      log.info({ booking_id: bookingId, attempt, end }, "a payment of unknown outcome was looked up");
    return ended(end);
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

  async #tell(
    { id, payment }: Booking,
    outcome: Outcome | "elsewhere" | undefined,
  ): Promise<"done" | "moved" | "not_now"> {
    if (outcome === undefined) return "not_now";
    if (outcome === "elsewhere") return "moved";
    const told = await this.#ask({ kind: "SettlePayment", bookingId: id, attempt: payment?.attempt ?? 0, outcome });
    return told === "other" ? "done" : told;
  }

  #ask(command: SettlePayment | CheckPayment): Promise<ShowAnswer> {
    return this.#options.ask(showOf(command.bookingId) as ShowId, command);
  }
}

const ended = (end: GivenBack): Step =>
  end === undefined || end === "failed" ? end : { kind: end === "refunded" ? "refunded" : "voided" };
