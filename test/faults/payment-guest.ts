// Somebody who wants seats and pays for them: locks or waits in line, pays with a token that was drawn, gives back,
// cancels, walks away; and keeps what was told in a story. Each visit is a session of its own.
// G1: a guest builds on what it was told, and asks until it is answered (payment-client.ts).
// G2: some press the button twice: the same confirm with the same key on two connections at once.

import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { type Answer, type Step, StubbornClient } from "./payment-client.ts";
import type { Sale } from "./payment-sale.ts";
import { mayComeLate, type Story, tokenAt } from "./payment-story.ts";

const QUANTITY_MAX = 2;
const TRIES_MAX = 40;
/** Shorter than a life of the product: a longer poll would never be answered. */
const POLL_WAIT_S = 1;
const RELEASES_PERCENT = 8;
const WALKS_AWAY_PERCENT = 3;
const DOUBLE_CLICKS_PERCENT = 10;
const CANCELS_PERCENT = 35;
const DECLINES_OFFER_PERCENT = 10;
const LEAVES_LINE_PERCENT = 5;
/** Of those whose payment may succeed too late: only where nobody else wants their seats can they have them after all. */
const QUIET_PERCENT = 60;
/** Answers to a lock after which one may try again, and those after which one joins the line. */
const CROWDED = ["retry_held", "waitlist_active"];

export class PaymentGuest {
  readonly #sale: Sale;
  readonly #random: SeededRandom;
  readonly #client: StubbornClient;
  #keys = 0;

  constructor(sale: Sale, seed: number) {
    this.#sale = sale;
    this.#random = new SeededRandom(seed);
    this.#client = new StubbornClient(() => sale.url(), sale.repeats);
  }

  /** One visit after the other until enough is paid for. */
  async live(): Promise<void> {
    while (!this.#sale.isOver()) await this.#visit();
    this.#client.close();
  }

  async #visit(): Promise<void> {
    await this.#client.newSession();
    const token = tokenAt(this.#random.below(100));
    const isQuiet = mayComeLate(token) && this.#isChance(QUIET_PERCENT);
    const quantity = 1 + this.#random.below(QUANTITY_MAX);
    for (let tries = 0; tries < TRIES_MAX && !this.#sale.isOver(); tries += 1) {
      const showId = isQuiet ? this.#sale.quietShow(this.#random) : this.#sale.show(this.#random);
      const lock = await this.#ask("POST", "/v1/bookings/lock", { showtime_id: showId, quantity });
      if (lock.status === 201) return this.#goOn(this.#sale.stories.begin(lock.body), token);
      if (lock.body.code === "show_full") this.#sale.isFull(showId);
      else if (!CROWDED.includes(lock.body.code)) this.#complain("a lock", lock);
      else {
        const story = await this.#waitInLine(showId, quantity);
        if (story !== undefined) return this.#goOn(story, token);
      }
    }
  }

  /** `undefined` when it came to nothing. */
  async #waitInLine(showId: string, quantity: number): Promise<Story | undefined> {
    const joined = await this.#ask("POST", `/v1/shows/${showId}/waitlist`, { quantity });
    if (joined.status !== 201) {
      if (!["seats_available", "show_full"].includes(joined.body.code)) this.#complain("joining", joined);
      return undefined;
    }
    const { ends } = this.#sale.stories;
    const id = joined.body.waiter_id;
    const path = `/v1/waitlist/${id}`;
    let entry = joined.body;
    while (entry.state === "waiting") {
      if (this.#isChance(LEAVES_LINE_PERCENT)) {
        const left = await this.#ask("DELETE", path);
        if (left.status !== 200) this.#complain("leaving the line", left);
      }
      const { status, body, text } = await this.#read(`${path}?wait=${POLL_WAIT_S}&after=${entry.version}`);
      if (status !== 200) throw new Error(`a poll is answered ${text}`);
      entry = body;
    }
    if (entry.state === "offered") return this.#answerOffer(id, path);
    ends.set(id, { state: entry.state, lockId: null });
    return undefined;
  }

  async #answerOffer(id: string, path: string): Promise<Story | undefined> {
    const { ends } = this.#sale.stories;
    const isDeclining = this.#isChance(DECLINES_OFFER_PERCENT);
    const answer = await this.#ask("POST", `${path}/offer/${isDeclining ? "decline" : "accept"}`);
    if (answer.status === 201) {
      ends.set(id, { state: "accepted", lockId: answer.body.lock_id });
      this.#sale.count("offers taken");
      return this.#sale.stories.begin(answer.body);
    }
    const isLapsed = answer.body.code === "offer_lapsed";
    if (answer.status !== 200 && !isLapsed) this.#complain("an offer", answer);
    ends.set(id, { state: isLapsed ? "lapsed" : "declined", lockId: null });
    return undefined;
  }

  async #goOn(story: Story, token: string): Promise<void> {
    const dice = this.#random.below(100);
    if (dice < WALKS_AWAY_PERCENT) return;
    if (dice >= WALKS_AWAY_PERCENT + RELEASES_PERCENT) return this.#pay(story, token);
    story.asked.add("release");
    const released = await this.#ask("DELETE", `/v1/bookings/lock/${story.id}`);
    this.#hearOf(story, "releasing", released);
  }

  async #pay(story: Story, token: string): Promise<void> {
    story.token = token;
    this.#sale.begun += 1;
    const confirm = this.#step("POST", "/v1/bookings/confirm", { lock_id: story.id, payment_token: token });
    if (this.#isChance(DOUBLE_CLICKS_PERCENT)) await this.#payTwice(story, confirm);
    else this.#hearOf(story, "a confirm", await this.#client.ask(confirm));
    while (story.status === "paying") {
      const told = await this.#read(`/v1/bookings/${story.id}?wait=${POLL_WAIT_S}&after=${story.version}`);
      this.#hearOf(story, "a poll", told);
    }
    this.#sale.count(`${token} → ${story.status}`);
    if (story.status === "booked" && this.#isChance(CANCELS_PERCENT)) await this.#cancel(story);
  }

  /** G2. Either answer may be the older one. */
  async #payTwice(story: Story, confirm: Step): Promise<void> {
    const twin = this.#client.twin();
    const answers = await Promise.all([this.#client.ask(confirm), twin.ask(confirm)]);
    twin.close();
    answers.sort((a, b) => (a.body.version ?? Number.MAX_SAFE_INTEGER) - (b.body.version ?? Number.MAX_SAFE_INTEGER));
    for (const answer of answers) this.#hearOf(story, "one of two confirms", answer);
  }

  async #cancel(story: Story): Promise<void> {
    story.asked.add("cancel");
    this.#hearOf(story, "cancelling", await this.#ask("POST", `/v1/bookings/${story.id}/cancel`));
    this.#sale.count("cancelled");
  }

  #hearOf(story: Story, what: string, answer: Answer): void {
    const { status, body } = answer;
    if (status === 200 || status === 202) story.hear(body);
    else if (status === 402) story.hearStatus("declined", body.reason);
    else if (body.code === "hold_expired") {
      // It says how it stands; a payment's hold that is released was released by its deadline.
      const isUnknown = body.booking_status === "released" && story.token !== undefined;
      story.hearStatus(body.booking_status, isUnknown ? "payment_unknown" : null);
    } else this.#complain(what, answer);
  }

  #ask(method: "POST" | "DELETE", path: string, body?: object): Promise<Answer> {
    return this.#client.ask(this.#step(method, path, body));
  }

  #step(method: "POST" | "DELETE", path: string, body?: object): Step {
    this.#keys += 1;
    const step = { method, path, key: `k${this.#keys}` };
    return body === undefined ? step : { ...step, body };
  }

  #read(path: string): Promise<Answer> {
    return this.#client.ask({ method: "GET", path });
  }

  #isChance(percent: number): boolean {
    return this.#random.below(100) < percent;
  }

  #complain(what: string, { status, text }: Answer): void {
    this.#sale.problems.push(`${what} is answered ${status} ${text}`);
  }
}
