// An allocator for the gateway's tests: a port of the real interface over plain maps, with one seat map a show, real
// versions and updates, and a way to answer anything else. No deadlines, no durability, no rules beyond free seats.

import type { BookingId, OperationId, ShowId, WaiterId } from "../shared/kernel/ids.ts";
import { bookingIdOf } from "../shared/kernel/ids.ts";
import type { AllocatorPort } from "../shared/protocol/allocator-port.ts";
import type { AcceptOffer, Command, Operation, PlaceHold, SeatChoice, UseTicket } from "../shared/protocol/command.ts";
import type { Layout } from "../shared/protocol/layout.ts";
import { categoriesOf } from "../shared/protocol/layout.ts";
import type {
  BookingStatus,
  BookingView,
  LogEntry,
  Refusal,
  Reply,
  ShowUpdate,
  TicketUse,
  WaiterStatus,
  WaiterView,
} from "../shared/protocol/reply.ts";
import { changeLine, endWaiter, isLineCommand, type LineShow, offerTo, presentOf } from "./fake-line.ts";
import type { HallSeats, ShowLookup, ShowSeats } from "./show-lookup.ts";

const HOLD_MS = 300_000;
const SEAT_PRICE = 1_200;

export interface FakeShow {
  readonly showId: ShowId;
  epoch: number;
  version: number;
  readonly seats: number[];
  readonly bookings: Map<BookingId, BookingView>;
  /** In the order of joining. */
  readonly line: Map<WaiterId, WaiterView>;
  readonly operations: Map<OperationId, { readonly requestHash: number; readonly reply: Reply }>;
  readonly log: LogEntry[];
}

export class FakeAllocator implements AllocatorPort {
  readonly asked: { readonly showId: ShowId; readonly command: Command }[] = [];
  readonly #shows = new Map<ShowId, FakeShow>();
  readonly #listeners = new Set<(update: ShowUpdate) => void>();
  readonly #lostListeners = new Set<() => void>();
  readonly #seatCount: number;
  readonly #now: () => number;
  /** Asked first; what it returns is the answer. */
  override: ((showId: ShowId, command: Command) => Reply | Promise<Reply> | undefined) | undefined;
  missing: readonly string[] = [];

  constructor(seatCount: number, now: () => number) {
    this.#seatCount = seatCount;
    this.#now = now;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  onUpdate(listener: (update: ShowUpdate) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onLost(listener: () => void): () => void {
    this.#lostListeners.add(listener);
    return () => this.#lostListeners.delete(listener);
  }

  /** Updates were lost on the way. */
  lose(): void {
    for (const listener of this.#lostListeners) listener();
  }

  unready(): readonly string[] {
    return this.missing;
  }

  async ask(showId: ShowId, command: Command): Promise<Reply> {
    this.asked.push({ showId, command });
    return this.override?.(showId, command) ?? this.answer(showId, command);
  }

  emit(update: ShowUpdate): void {
    for (const listener of this.#listeners) listener(update);
  }

  showOf(showId: ShowId): FakeShow {
    const known = this.#shows.get(showId);
    if (known !== undefined) return known;
    const seats = new Array<number>(this.#seatCount).fill(0);
    const records = { bookings: new Map(), line: new Map(), operations: new Map(), log: [] };
    const show: FakeShow = { showId, epoch: 1, version: 0, seats, ...records };
    this.#shows.set(showId, show);
    return show;
  }

  answer(showId: ShowId, command: Command): Reply {
    const show = this.showOf(showId);
    switch (command.kind) {
      case "ReadSeatMap": {
        const { epoch, version, seats } = show;
        return { kind: "snapshot", snapshot: { showId, epoch, version, status: seats.join(""), queued: 0 } };
      }
      case "ReadBooking": {
        const booking = show.bookings.get(command.bookingId);
        return booking?.session === command.session
          ? { kind: "booking", booking, replayed: false }
          : refused({ code: "not_found" });
      }
      case "ReadWaiter": {
        const waiter = presentOf(show, command.waiterId);
        return waiter?.session === command.session
          ? { kind: "waiter", waiter, replayed: false }
          : refused({ code: "not_found" });
      }
      case "ReadLog": {
        const entries = show.log.filter((entry) => entry.seq > command.after).slice(0, command.limit);
        return { kind: "log", entries };
      }
      case "RefreshTerms":
        return { kind: "done" };
      case "CheckPayment":
        return show.bookings.has(command.bookingId) ? { kind: "done" } : refused({ code: "not_found" });
      default:
        return this.#once(show, command.operation, () => this.#change(showId, show, command));
    }
  }

  #once(show: FakeShow, operation: Operation, change: () => Reply): Reply {
    const done = show.operations.get(operation.id);
    if (done !== undefined) {
      if (done.requestHash !== operation.requestHash) return refused({ code: "idempotency_key_reused" });
      if (done.reply.kind === "booking") return { ...done.reply, replayed: true };
      if (done.reply.kind !== "waiter") return done.reply;
      return { kind: "waiter", waiter: presentOf(show, done.reply.waiter.id) ?? done.reply.waiter, replayed: true };
    }
    const reply = change();
    if (reply.kind !== "refused") show.operations.set(operation.id, { requestHash: operation.requestHash, reply });
    return reply;
  }

  #change(showId: ShowId, show: FakeShow, command: Extract<Command, { operation: Operation }>): Reply {
    if (isLineCommand(command)) return changeLine(this.#lineOf(show), command);
    if (command.kind === "PlaceHold") return this.#place(show, command);
    if (command.kind === "BlockSeats" || command.kind === "UnblockSeats") {
      const state = command.kind === "BlockSeats" ? 3 : 0;
      const taken = command.seats.filter((seat) => show.seats[seat] === 1 || show.seats[seat] === 2);
      if (taken.length > 0) return refused({ code: "seats_taken", seats: taken, free: freeOf(show) });
      const changes = command.seats.map((seat) => [seat, state] as const);
      this.#commit(showId, changes, [], { kind: "SeatsBlocked", seats: command.seats });
      return { kind: "seats", seats: command.seats };
    }
    const booking = show.bookings.get(command.bookingId);
    if (command.kind === "UseTicket") return this.#use(show, booking, command);
    if (booking === undefined || booking.session !== command.session) return refused({ code: "not_found" });
    if (command.kind === "CancelBooking") return this.#cancel(showId, booking);
    if (booking.status !== "held") return refused({ code: "hold_expired", status: booking.status });
    if (command.kind === "ExtendHold") {
      const expiresAt = booking.createdAt + 2 * HOLD_MS;
      if (booking.expiresAt === expiresAt) return refused({ code: "already_extended", expiresAt });
      return this.settle(showId, booking.id, { expiresAt });
    }
    const status = command.kind === "ReleaseHold" ? "released" : "booked";
    return this.settle(showId, booking.id, { status });
  }

  #use(show: FakeShow, booking: BookingView | undefined, { seat, gate }: UseTicket): Reply {
    if (booking?.seats.includes(seat) !== true) return refused({ code: "not_found" });
    if (booking.status === "cancelled") return refused({ code: "ticket_cancelled" });
    if (booking.status !== "booked") return refused({ code: "not_found" });
    const use = booking.used?.find((each) => each.seat === seat);
    if (use !== undefined) return refused({ code: "ticket_used", uses: [use] });
    return this.settle(show.showId, booking.id, {
      status: "booked",
      used: [...(booking.used ?? []), { seat, at: this.#now(), gate }],
    });
  }

  #cancel(showId: ShowId, booking: BookingView): Reply {
    const { status, used } = booking;
    if (status === "cancelled") return { kind: "booking", booking, replayed: true };
    if (status === "held") return refused({ code: "not_booked" });
    if (status !== "booked") return refused({ code: "hold_expired", status });
    if (used !== undefined) return refused({ code: "ticket_used", uses: used });
    return this.settle(showId, booking.id, { status: "cancelled", reason: "cancelled_by_holder" });
  }

  #place(show: FakeShow, command: PlaceHold): Reply {
    const seats = choose(show, command.choice);
    const taken = seats.filter((seat) => show.seats[seat] !== 0);
    if (taken.length > 0) return refused({ code: "seats_taken", seats: taken, free: freeOf(show) });
    return { kind: "booking", booking: this.#hold(show, command, seats), replayed: false };
  }

  #hold(show: FakeShow, { session, operation }: PlaceHold | AcceptOffer, seats: readonly number[]): BookingView {
    const { showId } = show;
    const createdAt = this.#now();
    const booking: BookingView = {
      id: bookingIdOf(showId, operation.id),
      showId,
      session,
      status: "held",
      version: show.version + 1,
      seats,
      total: SEAT_PRICE * seats.length,
      currency: "USD",
      createdAt,
      expiresAt: createdAt + HOLD_MS,
      bookedAt: undefined,
      reason: undefined,
      used: undefined,
    };
    show.bookings.set(booking.id, booking);
    const changes = seats.map((seat) => [seat, 1] as const);
    const event = { kind: "HoldPlaced", id: booking.id, seats, expiresAt: booking.expiresAt, requestHash: 1 };
    this.#commit(showId, changes, [booking.id], event);
    return booking;
  }

  /** Gives a waiter an offer, whoever else waits. */
  offer(showId: ShowId, id: WaiterId, seats: readonly number[]): Reply {
    return offerTo(this.#lineOf(this.showOf(showId)), id, seats);
  }

  /** Ends a place in the line. */
  endWaiter(showId: ShowId, id: WaiterId, status: WaiterStatus): Reply {
    return endWaiter(this.#lineOf(this.showOf(showId)), id, status);
  }

  #lineOf(show: FakeShow): LineShow {
    return {
      show,
      now: this.#now,
      commit: (changes, touched, kind) => this.#commit(show.showId, changes, touched, { kind }),
      hold: (command, seats) => this.#hold(show, command, seats),
    };
  }

  /** What a turn does to a booking: its row, its seats, the update. */
  settle(
    showId: ShowId,
    id: BookingId,
    to: { status?: BookingStatus; expiresAt?: number; reason?: string; used?: readonly TicketUse[] },
  ): Reply {
    const show = this.showOf(showId);
    const before = show.bookings.get(id);
    if (before === undefined) throw new Error(`no booking ${id}`);
    const bookedAt = to.status === "booked" ? this.#now() : before.bookedAt;
    const booking: BookingView = { ...before, ...to, version: show.version + 1, bookedAt };
    show.bookings.set(id, booking);
    const state = SEAT_STATE[booking.status];
    this.#commit(
      showId,
      booking.seats.map((seat) => [seat, state] as const),
      [id],
      { kind: "Settled", id },
    );
    return { kind: "booking", booking, replayed: false };
  }

  #commit(
    showId: ShowId,
    changes: ShowUpdate["changes"],
    touched: readonly string[],
    event: { readonly kind: string } & Readonly<Record<string, unknown>>,
  ): void {
    const show = this.showOf(showId);
    const previous = show.version;
    show.version += 1;
    for (const [seat, state] of changes) show.seats[seat] = state;
    show.log.push({ seq: show.version, epoch: show.epoch, at: this.#now(), events: [event] });
    this.emit({ showId, epoch: show.epoch, previous, version: show.version, changes, queued: 0, touched });
  }
}

const SEAT_STATE: Readonly<Record<BookingStatus, number>> = {
  held: 1,
  paying: 1,
  booked: 2,
  expired: 0,
  released: 0,
  declined: 0,
  cancelled: 0,
};

const refused = (refusal: Refusal): Reply => ({ kind: "refused", refusal });
const freeOf = (show: FakeShow): number => show.seats.filter((state) => state === 0).length;

function choose(show: FakeShow, choice: SeatChoice): readonly number[] {
  if (choice.by === "seats") return choice.seats;
  return [...show.seats.keys()].filter((seat) => show.seats[seat] === 0).slice(0, choice.quantity);
}

/** Rows of ten, `A1` to `A10`, `B1` …; the first row is `premium`, the others `standard`. */
function fakeHall(seatCount: number): HallSeats {
  const seats = Array.from({ length: seatCount }, (_, index) => {
    const row = String.fromCharCode(65 + Math.floor(index / 10));
    const number = (index % 10) + 1;
    const category = index < 10 ? "premium" : "standard";
    const label = `${row}${number}`;
    return { index, label, section: "main", row, number, x: number, y: index, category, accessible: false };
  });
  const layout: Layout = { layout_id: "hall-1", focus: { x: 5, y: 5 }, seats };
  const byLabel = new Map(seats.map((seat) => [seat.label, seat.index]));
  const categories = categoriesOf(layout);
  return {
    layout,
    categories,
    labels: seats.map((seat) => seat.label),
    seatOf: (label) => byLabel.get(label),
    categoryOf: (name) => (categories.includes(name) ? categories.indexOf(name) : undefined),
  };
}

/** Every show whose id begins with `show` is there. */
export class FakeShows implements ShowLookup {
  readonly #hall: HallSeats;
  fails: Error | undefined;

  constructor(seatCount: number) {
    this.#hall = fakeHall(seatCount);
  }

  peek(showId: ShowId): ShowSeats | undefined {
    return showId.startsWith("show") ? { showId, hall: this.#hall } : undefined;
  }

  async find(showId: ShowId): Promise<ShowSeats | undefined> {
    if (this.fails !== undefined) throw this.fails;
    return this.peek(showId);
  }
}
