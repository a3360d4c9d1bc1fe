// The news an endpoint refuses, show by show, and when it has been refused for long enough.
// R1: of a show only the oldest news that is not safe is told, so there is one record a show.
// R2: given up is what is `giveUpMs` old by its own time, so that a restart begins no new count, and what was refused
//     again and again by this process: after an outage of ours old news is not lost to one unlucky attempt.
// R3: at most SHOWS_MAX records; the oldest is forgotten first, and its news given up later than it might be.

import type { News } from "../../shared/protocol/show-news.ts";

export const ATTEMPTS_MIN = 5;
export const SPAN_MIN_MS = 600_000;
const SHOWS_MAX = 10_000;

export interface Refusal {
  /** With this one; of this process. */
  readonly attempts: number;
  readonly isGivenUp: boolean;
}

interface Refused {
  readonly id: string;
  readonly firstAt: number;
  attempts: number;
}

export class RefusedNews {
  readonly #giveUpMs: number;
  readonly #byShow = new Map<string, Refused>();

  constructor(giveUpMs: number) {
    this.#giveUpMs = giveUpMs;
  }

  /** `now`: by the clock that `news.time` is of. */
  refused(news: News, now: number): Refusal {
    const showId = news.data.show_id;
    const refused = this.#recordOf(showId, news.id, now);
    refused.attempts++;
    const isOld = now - Date.parse(news.time) >= this.#giveUpMs;
    const wasTriedLong = now - refused.firstAt >= Math.min(SPAN_MIN_MS, this.#giveUpMs);
    const { attempts } = refused;
    const isGivenUp = isOld && wasTriedLong && attempts >= ATTEMPTS_MIN;
    if (isGivenUp) this.#byShow.delete(showId);
    return { attempts, isGivenUp };
  }

  safe(news: News): void {
    this.#byShow.delete(news.data.show_id);
  }

  #recordOf(showId: string, id: string, now: number): Refused {
    const known = this.#byShow.get(showId);
    if (known?.id === id) return known;
    this.#byShow.delete(showId);
    const oldest = this.#byShow.keys().next();
    if (this.#byShow.size >= SHOWS_MAX && oldest.done !== true) this.#byShow.delete(oldest.value);
    const made: Refused = { id, firstAt: now, attempts: 0 };
    this.#byShow.set(showId, made);
    return made;
  }
}
