// Somebody at a cluster: locks seats by name or number, extends, pays, cancels, gives back, or waits in line and takes what
// is offered; looks at the seat map; and keeps what it was told in the history. Each visit is a session of its own.
// G1: a guest builds on what it was told, and asks until it is answered (cluster-client.ts).
// G2: after a visit it has nothing: all seats come back, so that the same shows go on for as long as a test does.

import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { ClusterClient, type Doors, type Heard } from "./cluster-client.ts";
import type { ClusterHistory } from "./cluster-history.ts";
import type { Story } from "./payment-story.ts";

const POLL_WAIT_S = 10;
const BY_NAME_PERCENT = 40;
const LOOKS_PERCENT = 30;
const EXTENDS_PERCENT = 15;
const PAYS_PERCENT = 40;
const DECLINES_PERCENT = 15;
const LEAVES_LINE_PERCENT = 10;
const TOKEN = "pm_card_visa";
/** Answers to a lock after which one joins the line. */
const CROWDED = ["retry_held", "waitlist_active"];
const LOCK_REFUSALS = [...CROWDED, "seats_taken", "show_full"];

export interface GuestShow {
  readonly showId: string;
  readonly seats: readonly string[];
}

export class ClusterGuest {
  readonly #history: ClusterHistory;
  readonly #random: SeededRandom;
  readonly #client: ClusterClient;

  constructor(doors: Doors, history: ClusterHistory, seed: number) {
    this.#history = history;
    this.#random = new SeededRandom(seed);
    this.#client = new ClusterClient(doors, seed);
  }

  close(): void {
    this.#client.close();
  }

  async visit({ showId, seats }: GuestShow): Promise<void> {
    await this.#client.newSession();
    if (this.#isChance(LOOKS_PERCENT)) await this.#look(showId);
    const quantity = 1 + this.#random.below(2);
    const first = this.#random.below(seats.length - quantity + 1);
    const names = this.#isChance(BY_NAME_PERCENT) ? seats.slice(first, first + quantity) : [];
    const choice = names.length > 0 ? { seat_ids: names } : { quantity };
    const lock = await this.#client.command("POST", "/v1/bookings/lock", { showtime_id: showId, ...choice });
    if (lock.status === 201) {
      this.#history.acknowledge(showId, `HoldPlaced ${lock.body.lock_id}`, lock);
      return this.#useHold(showId, this.#history.begin(lock));
    }
    if (!LOCK_REFUSALS.includes(lock.body.code)) return this.#history.complain("a lock", lock);
    this.#history.refuse(showId, { intent: "lock", quantity, seats: names }, lock);
    if (CROWDED.includes(lock.body.code)) await this.#waitInLine(showId, quantity);
  }

  async #look(showId: string): Promise<void> {
    const map = await this.#client.read(`/v1/shows/${showId}/seatmap`);
    if (map.status === 200) this.#history.see(showId, map);
    else this.#history.complain("a seat map", map);
  }

  async #useHold(showId: string, story: Story): Promise<void> {
    if (this.#isChance(EXTENDS_PERCENT)) {
      const extended = await this.#client.command("POST", `/v1/bookings/lock/${story.id}/extend`);
      if (extended.status === 200) this.#history.acknowledge(showId, `HoldExtended ${story.id}`, extended);
      else this.#history.complain("extending", extended);
    }
    if (!this.#isChance(PAYS_PERCENT)) {
      story.asked.add("release");
      const released = await this.#client.command("DELETE", `/v1/bookings/lock/${story.id}`);
      return this.#hear(story, `HoldReleased ${story.id}`, released);
    }
    story.token = TOKEN;
    const body = { lock_id: story.id, payment_token: TOKEN };
    this.#hear(story, `BookingConfirmed ${story.id}`, await this.#client.command("POST", "/v1/bookings/confirm", body));
    if (this.#isChance(LOOKS_PERCENT))
      this.#hear(story, undefined, await this.#client.read(`/v1/bookings/${story.id}`));
    story.asked.add("cancel");
    const cancelled = await this.#client.command("POST", `/v1/bookings/${story.id}/cancel`);
    this.#hear(story, `BookingCancelled ${story.id}`, cancelled);
  }

  async #waitInLine(showId: string, quantity: number): Promise<void> {
    const joined = await this.#client.command("POST", `/v1/shows/${showId}/waitlist`, { quantity });
    if (joined.status !== 201) {
      if (!["seats_available", "show_full"].includes(joined.body.code)) this.#history.complain("joining", joined);
      else this.#history.refuse(showId, { intent: "join", quantity, seats: [] }, joined);
      return;
    }
    const id = joined.body.waiter_id;
    this.#history.acknowledge(showId, `WaiterJoined ${id}`, joined);
    let entry = joined.body;
    while (entry.state === "waiting") {
      if (this.#isChance(LEAVES_LINE_PERCENT)) return this.#leaveLine(showId, id);
      const path = `/v1/waitlist/${id}?wait=${POLL_WAIT_S}&after=${entry.version}`;
      const polled = await this.#client.read(path);
      if (polled.status !== 200) return this.#history.complain("a poll", polled);
      if (polled.body.version < entry.version) this.#history.complain(`${id}, version ${entry.version},`, polled);
      entry = polled.body;
    }
    if (entry.state === "offered") return this.#answerOffer(showId, id);
    // Seats that are booked count for nothing until they are cancelled.
    if (entry.state === "hopeless") this.#history.stories.ends.set(id, { state: entry.state, lockId: null });
    else this.#history.problems.push(`${id} ends ${entry.state}`);
  }

  async #leaveLine(showId: string, id: string): Promise<void> {
    const left = await this.#client.command("DELETE", `/v1/waitlist/${id}`);
    if (left.status !== 200) return this.#history.complain("leaving the line", left);
    // It may have been over before: then nothing happens.
    if (left.body.state === "cancelled") this.#history.acknowledge(showId, `WaiterLeft ${id}`, left);
    this.#history.stories.ends.set(id, { state: left.body.state, lockId: null });
  }

  async #answerOffer(showId: string, id: string): Promise<void> {
    const { ends } = this.#history.stories;
    const isDeclining = this.#isChance(DECLINES_PERCENT);
    const answer = await this.#client.command("POST", `/v1/waitlist/${id}/offer/${isDeclining ? "decline" : "accept"}`);
    if (answer.status === 201) {
      ends.set(id, { state: "accepted", lockId: answer.body.lock_id });
      this.#history.acknowledge(showId, `OfferAccepted ${id}`, answer);
      return this.#useHold(showId, this.#history.begin(answer));
    }
    if (answer.status !== 200) return this.#history.complain("an offer", answer);
    ends.set(id, { state: "declined", lockId: null });
    this.#history.acknowledge(showId, `OfferDeclined ${id}`, answer);
  }

  #hear(story: Story, effect: string | undefined, heard: Heard): void {
    if (heard.status !== 200) return this.#history.complain(`${effect ?? "a look"} (${story.status})`, heard);
    story.hear(heard.body);
    if (effect !== undefined) this.#history.acknowledge(heard.body.showtime_id, effect, heard);
  }

  #isChance(percent: number): boolean {
    return this.#random.below(100) < percent;
  }
}
