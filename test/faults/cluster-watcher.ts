// Somebody who watches a seat map: server-sent events, over again at another gateway when one is gone; keeps every state
// of the map that it was shown.
// A1: within a stream nothing goes back, and each delta follows on what was shown before.

import { get } from "node:http";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import type { Doors } from "./cluster-client.ts";

const PAUSE_MS = 50;

interface Shown {
  readonly epoch: number;
  readonly version: number;
}

interface Snapshot extends Shown {
  readonly status: string;
}

interface Delta extends Shown {
  readonly previous: number;
  readonly changes: readonly (readonly [seat: number, status: number])[];
}

export class ClusterWatcher {
  readonly showId: string;
  readonly problems: string[] = [];
  /** By version. */
  readonly states = new Map<number, string>();
  streams = 0;
  readonly #doors: Doors;
  #door: number;
  #now: Snapshot | undefined;
  #leave: () => void = () => undefined;
  #isOver = false;

  constructor(doors: Doors, showId: string, door: number) {
    this.#doors = doors;
    this.showId = showId;
    this.#door = door;
  }

  /** What it was shown last. */
  get version(): number {
    return this.#now?.version ?? -1;
  }

  /** Until `stop`. Never rejects. */
  async watch(): Promise<void> {
    while (!this.#isOver) {
      const urls = this.#doors.urls();
      const url = urls[this.#door % urls.length];
      this.#door += 1;
      this.#now = undefined;
      if (url !== undefined) await this.#stream(url);
      await sleepMs(PAUSE_MS, systemTimers);
    }
  }

  stop(): void {
    this.#isOver = true;
    this.#leave();
  }

  #stream(url: string): Promise<void> {
    return new Promise((resolve) => {
      let rest = "";
      const request = get(`${url}/v1/shows/${this.showId}/seatmap/stream`, { agent: false }, (response) => {
        response.setEncoding("utf8");
        response.on("error", () => undefined);
        response.on("close", () => resolve());
        // Not now: the store or the bus is away.
        if (response.statusCode !== 200) return void response.resume();
        this.streams += 1;
        response.on("data", (text: string) => {
          const parts = `${rest}${text}`.split("\n\n");
          rest = parts.pop() ?? "";
          for (const part of parts) this.#take(part);
        });
      });
      request.on("error", () => resolve());
      this.#leave = () => request.destroy();
      if (this.#isOver) this.#leave();
    });
  }

  #take(part: string): void {
    const data = /^data: (.*)$/m.exec(part)?.[1];
    const event = /^event: (.*)$/m.exec(part)?.[1];
    if (data === undefined) return;
    const before = this.#now;
    if (event === "snapshot") this.#now = JSON.parse(data) as Snapshot;
    else if (before !== undefined) this.#now = this.#changed(before, JSON.parse(data) as Delta);
    const now = this.#now;
    if (now === undefined) return this.#say("its first event is no snapshot");
    if (before !== undefined && (now.epoch < before.epoch || now.version < before.version)) {
      this.#say(`${before.epoch}.${before.version} was shown, then ${now.epoch}.${now.version}`);
    }
    const known = this.states.get(now.version);
    if (known !== undefined && known !== now.status) this.#say(`version ${now.version} was ${known}, is ${now.status}`);
    this.states.set(now.version, now.status);
  }

  #changed(before: Snapshot, { epoch, previous, version, changes }: Delta): Snapshot {
    if (epoch !== before.epoch || previous !== before.version) {
      this.#say(`a delta on ${epoch}.${previous} follows ${before.epoch}.${before.version}`);
    }
    const seats = [...before.status];
    for (const [seat, status] of changes) seats[seat] = String(status);
    return { epoch, version, status: seats.join("") };
  }

  #say(problem: string): void {
    this.problems.push(`the stream of ${this.showId}: ${problem}`);
  }
}
