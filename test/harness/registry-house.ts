// A node's registry over a journal in memory, with time and the store in a test's hand.

import { Registry, type RegistryOptions } from "../../allocator/actor/registry.ts";
import { AGAIN, type Answer } from "../../allocator/actor/show-actor.ts";
import type { ShowCommand } from "../../allocator/core/command.ts";
import type { Booking } from "../../allocator/core/state.ts";
import { GroupCommit } from "../../allocator/journal/group-commit.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { ShowUpdate } from "../../shared/protocol/reply.ts";
import { FakeTime, settled } from "../../waitlist/poll/fake-time.ts";
import { wordOf } from "./allocator.ts";
import { FakeJournal } from "./fake-journal.ts";

export const SHOW = "show-1" as ShowId;
export const OTHER = "show-2" as ShowId;

export class House {
  readonly time = new FakeTime();
  readonly journal: FakeJournal;
  readonly updates: ShowUpdate[] = [];
  readonly unfinished: Booking[] = [];
  readonly heard: string[] = [];
  isStoreOpen = true;
  readonly registry: Registry;

  constructor({ journal = new FakeJournal(), ...options }: Partial<RegistryOptions> & { journal?: FakeJournal } = {}) {
    this.journal = journal;
    const { time } = this;
    const commits = new GroupCommit({
      journal,
      timers: time,
      lanesMax: 2,
      entriesPerStatementMax: 256,
      secondLaneFrom: 32,
    });
    this.registry = new Registry({
      journal,
      commits,
      timers: time,
      now: time.now,
      rules: { payTtlMs: 120_000, releaseOnDecline: true, cancelUntilMs: 3_600_000, instantPayments: false },
      log: silentLog(),
      isStoreOpen: () => this.isStoreOpen,
      paymentsAvailable: () => true,
      onCommitted: (update) => this.updates.push(update),
      onUnfinished: (bookings) => this.unfinished.push(...bookings),
      ...options,
    });
  }

  /** The last answer, in full. */
  answer: Answer | undefined;

  take(name: string, command: ShowCommand | "ReadSeatMap", showId = SHOW): void {
    this.registry.take(showId, command, (answer) => {
      this.answer = answer;
      this.heard.push(`${name}: ${answer === AGAIN ? "again" : wordOf(answer)}`);
    });
  }

  /** Lets everything that is under way come to its end, without any time. */
  async rest(): Promise<void> {
    for (let i = 0; i < 20; i += 1) {
      await this.time.pass(0);
      await settled();
    }
  }

  async ask(name: string, command: ShowCommand | "ReadSeatMap", showId = SHOW): Promise<string> {
    this.take(name, command, showId);
    await this.rest();
    return this.heard.pop() ?? "nothing";
  }

  /** Time passes as it does with work in between. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      await this.time.pass(Math.min(100, left));
      await this.rest();
    }
  }

  events(showId = SHOW): string[] {
    return (this.journal.shows.get(showId)?.log ?? []).flatMap((entry) => entry.events.map((event) => event.kind));
  }
}
