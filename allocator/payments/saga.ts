// Drives every payment to its end: authorise → record booked → capture, or void what must not stay. Each step is
// recorded by a turn before the next is taken, so whoever owns the show can go on from the booking's row alone.
// A1: one drive a booking at a time; it looks at the booking's recorded state, does that state's one step, tells the
//     show, and ends. The show's commit starts the next drive.
// A2: an unknown outcome is asked about by repeating the identical request, with growing pauses, for as long as the
//     state lasts; the payment's own deadline ends `begun`, not this.
// A3: a drive that pauses takes no place from others, and goes on at once when its booking changes.
// A4: what a step says about a state that has passed is ignored by the turn, so a drive too many does no harm.

import { type BookingId, type ShowId, showOf } from "../../shared/kernel/ids.ts";
import type { Log } from "../../shared/platform/log.ts";
import { type TimerHandle, type Timers, within } from "../../shared/platform/timers.ts";
import type { SettlePayment } from "../core/command.ts";
import type { Booking, Payment } from "../core/state.ts";
import { type PaymentGateway, paymentKey } from "./port.ts";

const AUTHORISE_TIMEOUT_MS = 10_000;
const PAUSE_MIN_MS = 200;
const PAUSE_MAX_MS = 30_000;
/** Steps under way at once; further ones wait their turn. */
const DRIVES_MAX = 512;
/** Tries of a capture or void that fails for good before the saga says so. */
const FINAL_FAILURES_MAX = 3;

type Outcome = SettlePayment["outcome"];

export interface SagaOptions {
  readonly gateway: PaymentGateway;
  /** Takes the turn; true once it is committed, false when the show cannot be asked now. */
  readonly settle: (showId: ShowId, command: SettlePayment) => Promise<boolean>;
  readonly timers: Timers;
  readonly random: () => number;
  readonly log: Log;
}

export interface Watch {
  /** Resolves when there is an outcome, or after `boundMs`. */
  outcome(boundMs: number): Promise<void>;
  end(): void;
}

interface Drive {
  booking: Booking;
  /** The booking changed while a step was under way: drive on from this image. */
  next: Booking | undefined;
  pauseMs: number;
  failures: number;
  /** While it pauses. */
  timer: TimerHandle | undefined;
}

export class PaymentSaga {
  readonly #options: SagaOptions;
  readonly #drives = new Map<BookingId, Drive>();
  readonly #queue: Drive[] = [];
  /** Confirms waiting to hear that a payment is no longer `begun`. */
  readonly #listeners = new Map<BookingId, Set<() => void>>();
  readonly #running = new Set<Promise<void>>();
  #isStopped = false;

  constructor(options: SagaOptions) {
    this.#options = options;
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
      const drive: Drive = { booking, next: undefined, pauseMs: PAUSE_MIN_MS, failures: 0, timer: undefined };
      this.#drives.set(booking.id, drive);
      this.#queue.push(drive);
    }
    this.#pump();
  }

  /** Watches for the booking's payment to have an outcome. Whoever begins to watch ends it. */
  watch(bookingId: BookingId): Watch {
    const { timers } = this.#options;
    let hear: () => void = () => undefined;
    const heard = new Promise<void>((resolve) => {
      hear = resolve;
    });
    const listeners = this.#listeners.get(bookingId) ?? new Set();
    this.#listeners.set(bookingId, listeners.add(hear));
    return {
      outcome: (boundMs) => within(heard, boundMs, () => undefined, timers),
      end: () => {
        listeners.delete(hear);
        if (listeners.size === 0 && this.#listeners.get(bookingId) === listeners) this.#listeners.delete(bookingId);
      },
    };
  }

  /** Ends the waiting; steps under way are left to the next owner. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#queue.length = 0;
    for (const { timer } of this.#drives.values()) this.#options.timers.clearTimeout(timer);
    await this.#options.gateway.close();
    await Promise.allSettled(this.#running);
  }

  #pump(): void {
    while (this.#running.size < DRIVES_MAX) {
      const drive = this.#queue.shift();
      if (drive === undefined) return;
      const running = this.#run(drive).finally(() => {
        this.#running.delete(running);
        this.#pump();
      });
      this.#running.add(running);
    }
  }

  /** Until its end, or until there is something to wait for. */
  async #run(drive: Drive): Promise<void> {
    this.#takeNext(drive);
    while (!this.#isStopped) {
      const { booking } = drive;
      const step = await this.#step(booking);
      if (this.#isStopped) return;
      if (step === "failed") drive.failures += 1;
      const outcome = step === "failed" ? this.#giveUp(booking, drive.failures) : step;
      const isTold = outcome !== undefined && (await this.#tell(booking, outcome));
      if (isTold) for (const hear of this.#listeners.get(booking.id) ?? []) hear();
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
    drive.booking = drive.next;
    drive.next = undefined;
    drive.pauseMs = PAUSE_MIN_MS;
    drive.failures = 0;
    return true;
  }

  #pause(drive: Drive): void {
    if (this.#isStopped) return;
    const { timers, random } = this.#options;
    drive.timer = timers.setTimeout(() => this.#goOn(drive), drive.pauseMs * (0.5 + random()));
    drive.pauseMs = Math.min(PAUSE_MAX_MS, drive.pauseMs * 2);
  }

  #goOn(drive: Drive): void {
    this.#options.timers.clearTimeout(drive.timer);
    drive.timer = undefined;
    this.#queue.push(drive);
    this.#pump();
  }

  /** One call to the payment gateway. `undefined`: nothing is known yet; `failed`: it will never work. */
  async #step(booking: Booking): Promise<Outcome | "failed" | undefined> {
    const payment = booking.payment as Payment;
    const key = paymentKey(booking.id, payment.attempt);
    switch (payment.state) {
      case "begun":
        return this.#authorise(booking, payment);
      case "authorised": {
        const captured = await this.#options.gateway.capture(payment.reference as string, `${key}:capture`);
        return captured === "captured" ? { kind: "captured" } : captured === "failed" ? "failed" : undefined;
      }
      case "voiding":
      case "refunding": {
        if (payment.reference === undefined) return this.#authorise(booking, payment);
        const cancelled = await this.#options.gateway.cancel(payment.reference, `${key}:cancel`);
        if (cancelled === "cancelled") return { kind: "voided" };
        return cancelled === "unknown" ? undefined : "failed";
      }
      case "captured":
      case "declined":
      case "voided":
        return undefined;
    }
  }

  async #authorise(booking: Booking, payment: Payment): Promise<Outcome | undefined> {
    const outcome = await this.#options.gateway.authorise({
      bookingId: booking.id,
      attempt: payment.attempt,
      amount: booking.total,
      currency: booking.currency,
      paymentToken: payment.token,
      timeoutMs: AUTHORISE_TIMEOUT_MS,
    });
    if (outcome.kind === "authorised" || outcome.kind === "declined") return outcome;
    return undefined;
  }

  #giveUp(booking: Booking, failures: number): Outcome | undefined {
    if (failures < FINAL_FAILURES_MAX) return undefined;
    const { id, payment } = booking;
    if (payment?.state === "authorised") return { kind: "capture_failed" };
    if (failures === FINAL_FAILURES_MAX) {
      this.#options.log.error(
        { booking_id: id, reference: payment?.reference },
        "a payment cannot be voided: look at it by hand",
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
}
