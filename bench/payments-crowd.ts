// People at the shows of a payment benchmark: some lock and give back, some look, some pay; and how long each waited.

import { build, type Histogram } from "hdr-histogram-js";
import { smallCatalogue, smallShowId } from "../demo/catalogue/small.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import { type HttpAnswer, LoadConnection, once } from "../test/harness/http-client.ts";

const SHOWS = 100;
const LOCKERS = 4;
const READERS = 4;
const PAYERS = 4;
const PAUSE_MS = 5;
/** Sent at once until one is refused: a provider that does not answer has ten seconds for each. */
const OPENERS = 16;
const OPENING_MAX_MS = 60_000;
const DAY_MS = 86_400_000;

export interface PhaseFigures {
  /** Microseconds, as the others. */
  readonly lock: Histogram;
  readonly read: Histogram;
  /** Confirms answered 503 `payment_unavailable`. */
  readonly refused: Histogram;
  /** Confirms that were sent to the provider. */
  answered: number;
}

interface Hold {
  readonly lock_id: string;
  readonly expires_at: string;
}

const histogram = (): Histogram => build({ highestTrackableValue: 60_000_000 });
const isRefused = ({ status, body }: HttpAnswer): boolean => status === 503 && body.includes('"payment_unavailable"');

/** Somebody on a connection of their own; each hold in a session of its own, so that no limit of seats is met. */
class Person {
  readonly #connection: LoadConnection;
  #authorization = "";
  #keys = 0;

  constructor(connection: LoadConnection) {
    this.#connection = connection;
  }

  close(): void {
    this.#connection.close();
  }

  async newSession(): Promise<void> {
    const { body } = await this.#connection.request("POST", "/v1/sessions", "", "{}");
    this.#authorization = `Authorization: Bearer ${(JSON.parse(body) as { token: string }).token}\r\n`;
  }

  read(path: string): Promise<HttpAnswer> {
    return this.#connection.request("GET", path, this.#authorization);
  }

  async lock(showId: string): Promise<Hold> {
    const body = JSON.stringify({ showtime_id: showId, quantity: 1 });
    const answer = await this.#send("POST", "/v1/bookings/lock", body);
    if (answer.status !== 201) throw new Error(`a lock answered ${answer.status}: ${answer.body}`);
    return JSON.parse(answer.body) as Hold;
  }

  release({ lock_id }: Hold): Promise<HttpAnswer> {
    return this.#send("DELETE", `/v1/bookings/lock/${lock_id}`);
  }

  confirm({ lock_id }: Hold): Promise<HttpAnswer> {
    return this.#send("POST", "/v1/bookings/confirm", JSON.stringify({ lock_id, payment_token: "pm_card_visa" }));
  }

  #send(method: string, path: string, body?: string): Promise<HttpAnswer> {
    this.#keys += 1;
    return this.#connection.request(method, path, `${this.#authorization}X-Idempotency-Key: k${this.#keys}\r\n`, body);
  }
}

export class PaymentCrowd {
  readonly #people: readonly Person[];
  #turn = 0;

  private constructor(people: readonly Person[]) {
    this.#people = people;
  }

  static async gather(url: string, adminToken: string): Promise<PaymentCrowd> {
    const catalogue = smallCatalogue({ shows: SHOWS, rows: 20, seatsPerRow: 20, startsAt: Date.now() + DAY_MS });
    const admin = `Authorization: Bearer ${adminToken}\r\n`;
    await once(url, "POST", "/v1/admin/catalogue", admin, JSON.stringify(catalogue));
    const count = LOCKERS + READERS + PAYERS + OPENERS;
    const people = Array.from({ length: count }, async () => new Person(await LoadConnection.open(url)));
    return new PaymentCrowd(await Promise.all(people));
  }

  close(): void {
    for (const person of this.#people) person.close();
  }

  /** Everybody lives for so long; what they waited for in it. */
  async live(lengthMs: number): Promise<PhaseFigures> {
    const figures: PhaseFigures = { lock: histogram(), read: histogram(), refused: histogram(), answered: 0 };
    const endsAt = performance.now() + lengthMs;
    const again = async (once: () => Promise<void>): Promise<void> => {
      while (performance.now() < endsAt) {
        await once();
        await sleepMs(PAUSE_MS, systemTimers);
      }
    };
    const lives = this.#people.slice(0, LOCKERS + READERS + PAYERS).map((person, i) => {
      if (i < LOCKERS) return again(() => this.#lock(person, figures));
      if (i < LOCKERS + READERS) return again(() => this.#read(person, figures));
      return this.#pay(person, figures, again);
    });
    await Promise.all(lives);
    return figures;
  }

  /** Confirms, all at once, until one of them is refused. */
  async untilRefused(): Promise<void> {
    const openers = this.#people.slice(-OPENERS);
    const endsAt = performance.now() + OPENING_MAX_MS;
    for (;;) {
      const refused = await Promise.all(
        openers.map(async (person) => {
          await person.newSession();
          return isRefused(await person.confirm(await person.lock(this.#nextShow())));
        }),
      );
      if (refused.includes(true)) return;
      if (performance.now() > endsAt) throw new Error("the breaker does not open");
    }
  }

  #nextShow(): string {
    this.#turn += 1;
    return smallShowId(this.#turn % SHOWS);
  }

  async #lock(person: Person, { lock }: PhaseFigures): Promise<void> {
    await person.newSession();
    const showId = this.#nextShow();
    const hold = await timed(lock, () => person.lock(showId));
    const { status, body } = await person.release(hold);
    if (status !== 200) throw new Error(`a release answered ${status}: ${body}`);
  }

  async #read(person: Person, { read }: PhaseFigures): Promise<void> {
    const path = `/v1/shows/${this.#nextShow()}/seatmap`;
    const { status, body } = await timed(read, () => person.read(path));
    if (status !== 200) throw new Error(`a seat map answered ${status}: ${body}`);
  }

  async #pay(
    person: Person,
    figures: PhaseFigures,
    again: (once: () => Promise<void>) => Promise<void>,
  ): Promise<void> {
    let hold: Hold | undefined;
    await again(async () => {
      if (hold === undefined) {
        await person.newSession();
        hold = await person.lock(this.#nextShow());
      }
      const sentAt = performance.now();
      const answer = await person.confirm(hold);
      if (isRefused(answer)) figures.refused.recordValue(Math.round((performance.now() - sentAt) * 1000));
      else if (answer.status === 200 || answer.status === 202) {
        figures.answered += 1;
        hold = undefined;
      } else throw new Error(`a confirm answered ${answer.status}: ${answer.body}`);
    });
    if (hold !== undefined) await checkHeld(person, hold);
  }
}

/** What was refused has changed nothing. */
async function checkHeld(person: Person, { lock_id, expires_at }: Hold): Promise<void> {
  const { body } = await person.read(`/v1/bookings/${lock_id}`);
  const now = JSON.parse(body) as { status: string; expires_at: string };
  if (now.status !== "held" || now.expires_at !== expires_at) throw new Error(`a refused confirm changed ${body}`);
}

/** Milliseconds from the first confirm until one is refused. */
export async function openBreaker(crowd: PaymentCrowd): Promise<number> {
  const startedAt = performance.now();
  await crowd.untilRefused();
  return performance.now() - startedAt;
}

async function timed<T>(latencies: Histogram, ask: () => Promise<T>): Promise<T> {
  const sentAt = performance.now();
  const answer = await ask();
  latencies.recordValue(Math.round((performance.now() - sentAt) * 1000));
  return answer;
}
