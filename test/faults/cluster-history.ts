// What everybody was told, and when: acknowledgements, refusals and seat maps, for cluster-proof.ts to hold against the log.

import type { Heard } from "./cluster-client.ts";
import { Stories, type Story } from "./payment-story.ts";

interface Interval {
  readonly showId: string;
  readonly firstSentAt: number;
  readonly sentAt: number;
  readonly answeredAt: number;
  /** Which gateway has answered. */
  readonly door: string;
}

/** A command that took effect. */
export interface Acknowledged extends Interval {
  /** The event that it must have left in the log, once: its kind and whom it is about. */
  readonly effect: string;
}

export interface Refused extends Interval {
  readonly intent: "lock" | "join";
  readonly code: string;
  readonly quantity: number;
  /** Asked for by name; empty where they were asked for by number. */
  readonly seats: readonly string[];
  /** Those that are said to be taken. */
  readonly taken: readonly string[];
}

export interface MapSeen extends Interval {
  readonly epoch: number;
  readonly version: number;
  readonly status: string;
  readonly isStale: boolean;
}

export class ClusterHistory {
  readonly acknowledged: Acknowledged[] = [];
  readonly refused: Refused[] = [];
  readonly maps: MapSeen[] = [];
  readonly stories = new Stories();
  /** Answers that nobody should have been given. */
  readonly problems: string[] = [];
  readonly #answeredAt = new Map<string, number>();
  /** Hears of each answer to a question that only the show's owner can answer. */
  onAnswer: (showId: string) => void = () => undefined;

  /** When each show was asked last what it then answered. */
  answeredSince(showId: string, from: number): boolean {
    return (this.#answeredAt.get(showId) ?? 0) >= from;
  }

  /** How many commands have been answered. */
  get size(): number {
    return this.acknowledged.length + this.refused.length;
  }

  acknowledge(showId: string, effect: string, heard: Heard): void {
    this.acknowledged.push({ ...interval(showId, heard), effect });
    this.#answer(showId, heard);
  }

  refuse(showId: string, asked: Pick<Refused, "intent" | "quantity" | "seats">, heard: Heard): void {
    const { code, seats } = heard.body;
    this.refused.push({ ...interval(showId, heard), ...asked, code, taken: seats ?? [] });
    this.#answer(showId, heard);
  }

  see(showId: string, heard: Heard): void {
    const { epoch, version, status, stale } = JSON.parse(heard.text) as Omit<MapSeen, "isStale"> & { stale?: boolean };
    this.maps.push({ ...interval(showId, heard), epoch, version, status, isStale: stale === true });
  }

  complain(what: string, { status, text }: Pick<Heard, "status" | "text">): void {
    this.problems.push(`${what} is answered ${status} ${text}`);
  }

  begin(heard: Heard): Story {
    return this.stories.begin(heard.body);
  }

  #answer(showId: string, { sentAt }: Heard): void {
    this.#answeredAt.set(showId, Math.max(sentAt, this.#answeredAt.get(showId) ?? 0));
    this.onAnswer(showId);
  }
}

const interval = (showId: string, { firstSentAt, sentAt, answeredAt, door }: Heard): Interval => ({
  showId,
  firstSentAt,
  sentAt,
  answeredAt,
  door,
});
