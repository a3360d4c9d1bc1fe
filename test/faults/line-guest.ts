// Somebody at one show: holds seats, waits for others, takes or declines what is offered; knows what it was told, and
// what it asked and was never answered.
// G1: what it was told must stand, whoever owns the show by then; only what it asked for unanswered may have changed it,
//     and seats that came free.
// G2: what was never answered is asked again with its key, twice, and is the same both times.

import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { type HttpAnswer, LoadConnection } from "../harness/http-client.ts";

export interface Entry {
  readonly waiter_id: string;
  readonly state: string;
  readonly version: number;
  readonly position: number;
  readonly quantity: number;
  readonly categories: readonly string[];
  readonly joined_at: string;
  readonly lock_id: string | null;
  readonly offer: { readonly seats: readonly string[]; readonly expires_at: string } | null;
}

interface Hold {
  readonly lock_id: string;
  readonly seats: readonly string[];
  readonly expires_at: string;
}

type Intent = "hold" | "join" | "accept" | "swap" | "decline" | "release";

interface Step {
  readonly intent: Intent;
  readonly key: string;
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
}

/** Refusals that are no mistake, by what was asked for. */
const REFUSALS: Readonly<Record<Intent, readonly string[]>> = {
  hold: ["waitlist_active", "retry_held", "seats_taken"],
  join: ["seats_available"],
  accept: [],
  swap: ["seats_taken", "waitlist_active"],
  decline: [],
  release: [],
};
const POLL_WAIT_S = 30;

export interface GuestOptions {
  readonly showId: string;
  readonly token: string;
  readonly seed: number;
  /** Names of those it accepts. */
  readonly categories: readonly string[];
  /** Hears of each answer to a command. */
  readonly onAnswer: () => void;
}

export class Guest {
  readonly showId: string;
  readonly random: SeededRandom;
  readonly problems: string[] = [];
  readonly refusals: Record<string, number> = {};
  swapCount = 0;
  /** Of the entry it has, or had last. */
  entry: Entry | undefined;
  hold: Hold | undefined;
  unanswered: Step | undefined;
  /** Whether what it asked last was refused. */
  wasRefused = false;
  readonly #options: GuestOptions;
  readonly #quantity: number;
  readonly #finished: Entry[] = [];
  readonly #released: Hold[] = [];
  #connection: LoadConnection | undefined;
  #keys = 0;

  constructor(options: GuestOptions) {
    this.#options = options;
    this.showId = options.showId;
    this.random = new SeededRandom(options.seed);
    this.#quantity = 1 + this.random.below(3);
  }

  async connect(url: string): Promise<void> {
    this.disconnect();
    this.#connection = await LoadConnection.open(url);
  }

  disconnect(): void {
    this.#connection?.close();
    this.#connection = undefined;
  }

  /** The one category it accepts; `undefined` when it accepts several. */
  get category(): string | undefined {
    return this.#options.categories.length === 1 ? this.#options.categories[0] : undefined;
  }

  get isInLine(): boolean {
    return this.entry?.state === "waiting" || this.entry?.state === "offered";
  }

  join(): Promise<void> {
    const body = { quantity: this.#quantity, categories: this.#options.categories };
    return this.#ask("join", "POST", `/v1/shows/${this.showId}/waitlist`, body);
  }

  lock(choice: { seat_ids: readonly string[] } | { category: string | undefined }): Promise<void> {
    const body = "seat_ids" in choice ? choice : { ...choice, quantity: this.#quantity };
    return this.#ask("hold", "POST", "/v1/bookings/lock", { showtime_id: this.showId, ...body });
  }

  accept = (): Promise<void> => this.#ask("accept", "POST", `${this.#entryPath}/offer/accept`);

  swap = (seats: readonly string[]): Promise<void> =>
    this.#ask("swap", "POST", `${this.#entryPath}/offer/accept`, { seat_ids: seats });

  decline = (): Promise<void> => this.#ask("decline", "POST", `${this.#entryPath}/offer/decline`);

  release = (): Promise<void> => this.#ask("release", "DELETE", `/v1/bookings/lock/${this.hold?.lock_id}`);

  /** Until there is news, or the wait is over. */
  async poll(): Promise<void> {
    const told = this.entry as Entry;
    const answer = await this.#send("GET", `${this.#entryPath}?wait=${POLL_WAIT_S}&after=${told.version}`);
    if (answer.status !== 200) return this.#say(`a poll is answered ${answer.status} ${answer.body}`);
    this.#compare(told, JSON.parse(answer.body) as Entry);
  }

  /** Labels of the free seats that its entry accepts, best guess: `rows` has each category's, in layout order. */
  async freeSeats(rows: ReadonlyMap<string, readonly string[]>): Promise<string[]> {
    const { status } = (await this.#read(`/v1/shows/${this.showId}/seatmap`)) as { status: string };
    const accepted = this.entry?.categories.flatMap((category) => rows.get(category) ?? []) ?? [];
    return [...rows.values()].flat().filter((label, seat) => status[seat] === "0" && accepted.includes(label));
  }

  async look(): Promise<Entry> {
    return (await this.#read(this.#entryPath)) as Entry;
  }

  /** Whether everything it was told still stands (G1). Answers whether the unanswered had taken effect. */
  async check(): Promise<boolean> {
    const asked = this.unanswered?.intent;
    let tookEffect = false;
    for (const told of this.#finished) {
      const { state, lock_id } = (await this.#read(`/v1/waitlist/${told.waiter_id}`)) as Entry;
      if (state !== told.state || lock_id !== told.lock_id) this.#say(`was told ${told.state}, is ${state} ${lock_id}`);
    }
    if (this.entry !== undefined) {
      const before = this.entry;
      this.#compare(before, await this.look());
      tookEffect = this.entry.state !== before.state && (asked === "accept" || asked === "swap" || asked === "decline");
    }
    for (const { lock_id } of this.#released) await this.#checkHold(lock_id, ["released"]);
    if (this.hold === undefined) return tookEffect;
    const { lock_id, expires_at, seats } = this.hold;
    const found = await this.#checkHold(lock_id, asked === "release" ? ["held", "released"] : ["held"]);
    if (found.seats.join() !== seats.join()) this.#say(`${lock_id} has ${found.seats}, was told ${seats}`);
    if (found.expires_at < expires_at) this.#say(`${lock_id} expires before what was promised`);
    return found.status === "released";
  }

  /** What was never answered, asked again (G2). */
  async askAgain(): Promise<void> {
    const step = this.unanswered;
    if (step === undefined) return;
    const first = await this.#sendStep(step);
    const second = await this.#sendStep(step);
    if (first.status !== second.status || idIn(first) !== idIn(second)) {
      this.#say(`${step.intent} asked again: ${first.status} ${first.body}, then ${second.status} ${second.body}`);
    }
    this.#hear(step, first);
  }

  async #checkHold(lockId: string, statuses: readonly string[]): Promise<Hold & { status: string }> {
    const found = (await this.#read(`/v1/bookings/${lockId}`)) as Hold & { status: string };
    if (!statuses.includes(found.status)) this.#say(`${lockId} is ${found.status}, not ${statuses.join(" or ")}`);
    return found;
  }

  get #entryPath(): string {
    return `/v1/waitlist/${this.entry?.waiter_id}`;
  }

  async #ask(intent: Intent, method: string, path: string, body?: object): Promise<void> {
    this.#keys += 1;
    const text = body === undefined ? undefined : JSON.stringify(body);
    const step: Step = { intent, key: `k${this.#keys}`, method, path, body: text };
    this.unanswered = step;
    this.#hear(step, await this.#sendStep(step));
    this.#options.onAnswer();
  }

  #hear({ intent }: Step, { status, body: text }: HttpAnswer): void {
    this.unanswered = undefined;
    const body = JSON.parse(text);
    this.wasRefused = status >= 300;
    if (this.wasRefused) {
      if (!REFUSALS[intent].includes(body.code)) this.#say(`${intent} is answered ${status} ${text}`);
      this.refusals[`${intent} ${body.code}`] = (this.refusals[`${intent} ${body.code}`] ?? 0) + 1;
    } else if (intent === "join") {
      if (this.entry !== undefined) this.#finished.push(this.entry);
      this.entry = body as Entry;
    } else if (intent === "decline") this.entry = body as Entry;
    else if (intent === "release") {
      if (this.hold !== undefined) this.#released.push(this.hold);
      this.hold = undefined;
    } else {
      this.hold = body as Hold;
      if (intent === "hold") return;
      const offered = this.entry?.offer?.seats ?? [];
      if (this.hold.seats.some((seat) => !offered.includes(seat))) this.swapCount += 1;
      this.entry = { ...(this.entry as Entry), state: "accepted", lock_id: this.hold.lock_id, offer: null };
    }
  }

  /** What it is told now, beside what it was told before. */
  #compare(told: Entry, now: Entry): void {
    this.entry = now;
    const asked = this.unanswered?.intent;
    const may = new Set([told.state]);
    if (told.state === "waiting") may.add("offered");
    if (told.state === "offered" && (asked === "accept" || asked === "swap")) may.add("accepted");
    if (told.state === "offered" && asked === "decline") may.add("declined");
    const what = `${told.waiter_id}, ${told.state} in version ${told.version}, is ${now.state} in version ${now.version}`;
    if (!may.has(now.state) || now.version < told.version) this.#say(what);
    if (now.joined_at !== told.joined_at || (told.lock_id ?? now.lock_id) !== now.lock_id) this.#say(what);
    // An acceptance is told without its version.
    if (now.state !== told.state || told.state === "accepted") return;
    if (now.offer?.seats.join() !== told.offer?.seats.join()) this.#say(`${what}: other seats`);
    const [endsAt, endedAt] = [Date.parse(now.offer?.expires_at ?? ""), Date.parse(told.offer?.expires_at ?? "")];
    if (endsAt < endedAt) this.#say(`${what}: its offer ends earlier`);
    // After an outage it ends later, which is news.
    if (now.version !== told.version && !(endsAt > endedAt)) this.#say(what);
  }

  async #read(path: string): Promise<unknown> {
    const { status, body } = await this.#send("GET", path);
    if (status !== 200) throw new Error(`${path} is answered ${status} ${body}`);
    return JSON.parse(body);
  }

  #sendStep({ method, path, key, body }: Step): Promise<HttpAnswer> {
    return this.#send(method, path, key, body);
  }

  async #send(method: string, path: string, key?: string, body?: string): Promise<HttpAnswer> {
    if (this.#connection === undefined) throw new Error("not connected");
    const keyLine = key === undefined ? "" : `X-Idempotency-Key: ${key}\r\n`;
    return this.#connection.request(method, path, `Authorization: Bearer ${this.#options.token}\r\n${keyLine}`, body);
  }

  #say(problem: string): void {
    this.problems.push(problem);
  }
}

const idIn = ({ body }: HttpAnswer): string | undefined => {
  const { lock_id, waiter_id } = JSON.parse(body) as { lock_id?: string; waiter_id?: string };
  return waiter_id ?? lock_id;
};
