// What the waitlist is asked in a life: joins of all kinds of parties, polls, offers taken up, swapped and given back.
// Draws from what the auditor's books say is there, so that most of it does something.

import type { ShowCommand } from "../../allocator/core/command.ts";
import type { SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import type { Operation } from "../../shared/protocol/command.ts";
import type { Auditor } from "./auditor.ts";
import type { Dice } from "./dice.ts";
import { closingOf, type Party, SEEN_FOR_MS } from "./line-oracle.ts";

type OperationOf = (dice: Dice, session: string, request: object) => Operation;

const NOBODY = { waiterId: "show-1.none__________________" as WaiterId, session: "ann" as SessionId };
const QUANTITIES = [5, 6, 8, 10];

export class WaitlistDraw {
  readonly #books: Auditor;
  readonly #operation: OperationOf;
  readonly #sessions: readonly string[];
  /** Others may want the same. */
  #lastSwap: readonly number[] = [];

  constructor(books: Auditor, sessions: readonly string[], operation: OperationOf) {
    this.#books = books;
    this.#sessions = sessions;
    this.#operation = operation;
  }

  /** While there is room nobody can join: mostly somebody takes what there is, as much as one may. */
  joinOrFill(dice: Dice): ShowCommand {
    const books = this.#books;
    const { accessible } = books.hall;
    const room = books.seatsWhere((seat) => books.statusOf(seat) === 0 && !books.line.claims(seat));
    const ordinary = room.filter((seat) => accessible[seat] === 0).length;
    const session = dice.pick(this.#sessions) as SessionId;
    const quantity = Math.min(10 - books.seatsOf(session), ordinary);
    if (quantity < 1 || dice.once(4)) return this.join(dice);
    const choice = { by: "quantity", quantity, category: undefined, accessible: false, contiguous: false } as const;
    const request = { kind: "PlaceHold", session, choice } as const;
    return { ...request, operation: this.#operation(dice, session, request) };
  }

  join(dice: Dice): ShowCommand {
    const able = this.#sessions.filter((name) => this.#books.seatsOf(name as SessionId) < 8);
    const session = dice.pick(able.length === 0 || dice.once(4) ? this.#sessions : able) as SessionId;
    const categories = [...this.#books.hall.categories.keys()];
    const first = dice.below(categories.length);
    const request = {
      kind: "JoinWaitlist",
      session,
      quantity: dice.once(4) ? dice.pick(QUANTITIES) : 1 + dice.below(4),
      categories: dice.pick([categories, [first], categories.filter((category) => category !== first)]),
      accessible: dice.once(3),
      contiguous: dice.once(3),
    } as const;
    return { ...request, operation: this.#operation(dice, session, request) };
  }

  /** Everybody in line polls, but one now and then. */
  polls(dice: Dice): ShowCommand[] {
    const silent = dice.below(10);
    const polling = this.#books.line.active().filter((_, i) => i !== silent || silent === 9);
    return polling.map(({ id: waiterId, session }) => ({ kind: "ReadWaiter", session, waiterId }));
  }

  read(dice: Dice): ShowCommand {
    return { kind: "ReadWaiter", ...(this.#about(dice, "waiting") ?? NOBODY) };
  }

  lower(dice: Dice): ShowCommand {
    const about = this.#about(dice, "waiting");
    if (about === undefined) return this.join(dice);
    const quantity = 1 + dice.below((this.#books.line.get(about.waiterId)?.quantity ?? 1) + 1);
    const request = { kind: "LowerWaiter", ...about, quantity } as const;
    return { ...request, operation: this.#operation(dice, about.session, request) };
  }

  leave(dice: Dice): ShowCommand {
    const about = this.#about(dice, dice.pick(["waiting", "offered"]));
    if (about === undefined) return this.join(dice);
    const request = { kind: "LeaveWaitlist", ...about } as const;
    return { ...request, operation: this.#operation(dice, about.session, request) };
  }

  decline(dice: Dice): ShowCommand {
    const about = this.#about(dice, "offered");
    if (about === undefined) return this.join(dice);
    const request = { kind: "DeclineOffer", ...about } as const;
    return { ...request, operation: this.#operation(dice, about.session, request) };
  }

  accept(dice: Dice): ShowCommand {
    const about = this.#about(dice, "offered");
    if (about === undefined) return this.join(dice);
    const party = this.#books.line.get(about.waiterId);
    const seats = party === undefined ? undefined : this.#swap(dice, party);
    this.#lastSwap = seats ?? this.#lastSwap;
    const request = { kind: "AcceptOffer", ...about, seats } as const;
    return { ...request, operation: this.#operation(dice, about.session, request) };
  }

  /** Mostly about one in this state, else about any of the latest; mostly by its own session. */
  #about(dice: Dice, status: Party["status"]): { session: SessionId; waiterId: WaiterId } | undefined {
    const { everybody } = this.#books.line;
    const among = dice.once(6) ? everybody : everybody.filter((party) => party.status === status);
    const party = among.at(-1 - dice.below(6)) ?? among.at(-1);
    if (party === undefined) return undefined;
    const { id: waiterId, session } = party;
    return { session: dice.once(16) ? (dice.pick(this.#sessions) as SessionId) : session, waiterId };
  }

  /** Its own, free ones, ones that others hold or want, of other categories, too few. */
  #swap(dice: Dice, party: Party): readonly number[] | undefined {
    const { seatCount } = this.#books.hall;
    const own = party.offer?.seats ?? [dice.below(seatCount)];
    const others = [...this.#books.hall.category.keys()].filter((seat) => !own.includes(seat));
    const accepted = others.filter((seat) => party.categories.includes(this.#books.hall.category[seat] as number));
    const free = accepted.filter((seat) => this.#books.statusOf(seat) === 0);
    const claimed = free.filter((seat) => this.#books.line.claims(seat, party));
    const from = (seats: readonly number[]): number => seats[dice.below(Math.max(1, seats.length))] ?? others[0] ?? 0;
    switch (dice.below(12)) {
      case 4:
        return own.toReversed();
      case 5:
        return [...own.slice(1), from(others)];
      case 6:
        return [...own.slice(1), from(accepted)];
      case 7:
        return [...own.slice(1), from(free)];
      case 10:
      case 11:
        return [...own.slice(1), from(claimed.length > 0 ? claimed : free)];
      case 8:
        return dice.once(3) && own.length > 1 ? own.slice(1) : [...free, ...own].slice(0, own.length);
      case 9:
        return this.#lastSwap.length > 0 ? this.#lastSwap : undefined;
      default:
        return undefined;
    }
  }
}

const SOON_MS = 600_000;

/** The next moment at which something of the chosen kind ends or is skipped; `undefined`: there is none soon. */
export function boundary(dice: Dice, books: Auditor, now: number): number | undefined {
  const { line, terms } = books;
  const waiting = line.waiting();
  const offers = line.active().flatMap(({ offer }) => offer ?? []);
  const live = [...books.accounts.values()].filter(books.isLive);
  const times = dice.pick([
    offers.map(({ endsAt }) => endsAt),
    waiting.map(({ seenAt }) => seenAt + SEEN_FOR_MS),
    offers.map(({ shownUntil }) => shownUntil),
    waiting.map((party) => line.endOf(party, Number.POSITIVE_INFINITY).at),
    live.map((account) => books.endsAt(account)),
    [],
    offers.map(({ endsAt }) => endsAt),
    closingOf(terms) < now + SOON_MS ? [closingOf(terms)] : [],
  ]);
  const at = Math.min(...times.filter((at) => at >= now - 1));
  return Number.isFinite(at) && (at <= now + SOON_MS || dice.once(24)) ? at : undefined;
}
