// Work in lanes, each with so many places: what is stuck in one lane keeps none waiting in another.
// L1: a lane starts in the order of adding. L2: after `clear` nothing more starts.

export class Lanes<Name extends string> {
  readonly #lanes: Readonly<Record<Name, { readonly placesMax: number; running: number; readonly queue: Task[] }>>;
  readonly #running = new Set<Promise<void>>();
  #isCleared = false;

  constructor(placesMax: Readonly<Record<Name, number>>) {
    const lanes = Object.entries<number>(placesMax).map(([name, max]) => [
      name,
      { placesMax: max, running: 0, queue: [] },
    ]);
    this.#lanes = Object.fromEntries(lanes);
  }

  add(name: Name, task: Task): void {
    if (this.#isCleared) return;
    this.#lanes[name].queue.push(task);
    this.#pump(name);
  }

  /** Forgets what has not started. */
  clear(): void {
    this.#isCleared = true;
    for (const { queue } of Object.values<{ readonly queue: Task[] }>(this.#lanes)) queue.length = 0;
  }

  /** What has started is done. */
  async drained(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  #pump(name: Name): void {
    const lane = this.#lanes[name];
    while (lane.running < lane.placesMax) {
      const task = lane.queue.shift();
      if (task === undefined) return;
      lane.running += 1;
      const running = task().finally(() => {
        lane.running -= 1;
        this.#running.delete(running);
        this.#pump(name);
      });
      this.#running.add(running);
    }
  }
}

type Task = () => Promise<void>;
