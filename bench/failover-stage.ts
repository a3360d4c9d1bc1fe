// A cluster as processes, an open-loop load of locks on many shows, and its owners' deaths.
// B1: the load sends at its rate whatever is answered; each lock is given back as soon as it is there.
// B2: what was acknowledged is kept, and held against the logs in the end (test/faults/cluster-proof.ts).

import { smallCatalogue, smallShowId } from "../demo/catalogue/small.ts";
import { importCatalogue } from "../gateway/catalogue/import.ts";
import { sleepMs, systemTimers } from "../shared/platform/timers.ts";
import { ClusterClient, type Doors, type Heard } from "../test/faults/cluster-client.ts";
import { ClusterHistory } from "../test/faults/cluster-history.ts";
import { type ProofShow, prove } from "../test/faults/cluster-proof.ts";
import { until } from "../test/harness/allocator.ts";
import { ClusterProduct, type Part } from "../test/harness/cluster-product.ts";
import type { TestScope } from "../test/harness/postgres.ts";

const NODES = 3;
const GATEWAYS = 2;
const SHOWS = 300;
const ROWS = 10;
const SEATS_PER_ROW = 20;
/** Clients of the load; each has one command out at a time, so that is how many a stand-still can keep waiting. */
const CLIENTS = 256;
const TICK_MS = 10;
/** Locks answered on every show, that must have been asked after a change, until the next fault. */
const CALM_MS = 1_000;
const DAY_MS = 86_400_000;

export type Fault = "kill" | "hang";

const SEATS = Array.from({ length: ROWS * SEATS_PER_ROW }, (_, seat) => String(seat));
const SHOWS_TO_PROVE: readonly ProofShow[] = Array.from({ length: SHOWS }, (_, i) => ({
  showId: smallShowId(i, "failover"),
  seats: SEATS,
}));

export class FailoverStage {
  readonly #product: ClusterProduct;
  readonly #ends: (() => Promise<void>)[];
  readonly #history = new ClusterHistory();
  readonly #doors: Doors;
  readonly #idle: ClusterClient[] = [];
  /** One a show: asks at the fault. */
  readonly #probes = new Map<string, ClusterClient>();
  readonly #underWay = new Set<Promise<void>>();
  #pump: Promise<void> = Promise.resolve();
  #isOver = false;
  #turn = 0;
  #locks = 0;
  #missed = 0;
  #startedAt = 0;
  #failure: unknown;

  private constructor(product: ClusterProduct, ends: (() => Promise<void>)[]) {
    this.#product = product;
    this.#ends = ends;
    this.#doors = {
      urls: () => product.gateways.flatMap(({ url }) => url ?? []),
      problems: this.#history.problems,
      isGivenUp: false,
      repeats: {},
    };
  }

  /** `rate`: locks a second. Resolves when all shows are answered. */
  static async open({ rate }: { readonly rate: number }): Promise<FailoverStage> {
    const ends: (() => Promise<void>)[] = [];
    const scope: TestScope = { teardown: (end) => void ends.push(end) };
    const product = await ClusterProduct.start(scope, { allocators: NODES, gateways: GATEWAYS, isWired: false });
    const stage = new FailoverStage(product, ends);
    const hall = { prefix: "failover", shows: SHOWS, rows: ROWS, seatsPerRow: SEATS_PER_ROW };
    const policies = { hold_ttl_s: 3_600 };
    await importCatalogue(product.pool, smallCatalogue({ ...hall, policies, startsAt: Date.now() + 30 * DAY_MS }));
    await product.agreed();
    await stage.#gather();
    stage.#startedAt = performance.now();
    stage.#pump = stage.#run(rate);
    return stage;
  }

  /** One owner dies or hangs, and comes back. Answers the milliseconds to the first answer, of each of its shows. */
  async strike(fault: Fault): Promise<number[]> {
    const { victim, shows } = await this.#victim();
    const before = await this.#incarnation(victim);
    const from = performance.now();
    const gone = fault === "kill" ? victim.kill() : victim.signal("SIGSTOP");
    const times = await Promise.all(shows.map((showId) => this.#probe(showId, from)));
    await gone;
    if (fault === "kill") {
      await this.#product.agreed();
      await victim.start();
    } else victim.signal("SIGCONT");
    await until("it is back", async () => ((await this.#incarnation(victim)) ?? 0) > (before ?? 0));
    await this.#product.agreed();
    await this.#calm();
    if (this.#failure !== undefined) throw this.#failure;
    return times;
  }

  /** Lets everything that was asked be answered; locks a second, of those that were given. */
  async end(): Promise<number> {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const rate = this.#locks / seconds;
    this.#isOver = true;
    await this.#pump;
    await Promise.all(this.#underWay);
    if (this.#failure !== undefined) throw this.#failure;
    return rate;
  }

  /** What was told and is not so. */
  async prove(): Promise<readonly string[]> {
    const proof = await prove(this.#product.pool, SHOWS_TO_PROVE, this.#history, []);
    return [...proof.problems, ...this.#history.problems];
  }

  async close(): Promise<void> {
    this.#isOver = true;
    this.#doors.isGivenUp = true;
    await this.#pump;
    await Promise.allSettled(this.#underWay);
    for (const client of [...this.#idle, ...this.#probes.values()]) client.close();
    for (const end of this.#ends.reverse()) await end();
  }

  /** Everybody's session, and a hold in every show that stays: all of them are active. */
  async #gather(): Promise<void> {
    const newClient = async (door: number): Promise<ClusterClient> => {
      const client = new ClusterClient(this.#doors, door);
      await client.newSession();
      return client;
    };
    for (let i = 0; i < CLIENTS; i += 1) this.#idle.push(await newClient(i));
    for (const [i, { showId }] of SHOWS_TO_PROVE.entries()) {
      const probe = await newClient(i);
      this.#probes.set(showId, probe);
      this.#hear(showId, "HoldPlaced", await lock(probe, showId));
    }
  }

  /** The next one in turn that owns something. */
  async #victim(): Promise<{ readonly victim: Part; readonly shows: readonly string[] }> {
    const owners = await this.#product.showsByOwner();
    this.#turn += 1;
    const victim = this.#product.allocators[this.#turn % NODES] as Part;
    return { victim, shows: owners.get(victim.name) ?? [] };
  }

  async #incarnation({ name }: Part): Promise<number | undefined> {
    return (await this.#product.members()).find(({ nodeId }) => nodeId === name)?.incarnation;
  }

  /** A read of its hold by its owner: nothing else is in the way. */
  async #probe(showId: string, from: number): Promise<number> {
    const probe = this.#probes.get(showId) as ClusterClient;
    const held = await lock(probe, showId);
    this.#hear(showId, "HoldPlaced", held);
    const tookMs = held.answeredAt - from;
    this.#hear(showId, "HoldReleased", await release(probe, held), held.body.lock_id);
    return tookMs;
  }

  /** Every show has answered something that was asked since, and it has stayed so for a while. */
  async #calm(): Promise<void> {
    const from = performance.now();
    await until(
      "every show answers",
      () => SHOWS_TO_PROVE.every(({ showId }) => this.#history.answeredSince(showId, from)),
      60_000,
    );
    await sleepMs(CALM_MS, systemTimers);
  }

  async #run(rate: number): Promise<void> {
    let sent = 0;
    const from = performance.now();
    while (!this.#isOver) {
      const due = ((performance.now() - from) * rate) / 1000;
      for (; sent < due; sent += 1) {
        const client = this.#idle.shift();
        if (client === undefined) this.#missed += 1;
        else this.#keep(this.#lockOnce(client, sent));
      }
      await sleepMs(TICK_MS, systemTimers);
    }
  }

  async #lockOnce(client: ClusterClient, turn: number): Promise<void> {
    const { showId } = SHOWS_TO_PROVE[turn % SHOWS] as ProofShow;
    const held = await lock(client, showId);
    this.#locks += 1;
    this.#hear(showId, "HoldPlaced", held);
    this.#hear(showId, "HoldReleased", await release(client, held), held.body.lock_id);
    this.#idle.push(client);
  }

  #keep(work: Promise<void>): void {
    const kept = work.catch((error: unknown) => {
      this.#failure ??= error;
    });
    this.#underWay.add(kept);
    void kept.finally(() => this.#underWay.delete(kept));
  }

  #hear(showId: string, event: "HoldPlaced" | "HoldReleased", heard: Heard, id = heard.body.lock_id): void {
    if (heard.status >= 300) throw new Error(`${event} in ${showId} is answered ${heard.status} ${heard.text}`);
    this.#history.acknowledge(showId, `${event} ${id}`, heard);
  }
}

const lock = (client: ClusterClient, showId: string): Promise<Heard> =>
  client.command("POST", "/v1/bookings/lock", { showtime_id: showId, quantity: 1 });

const release = (client: ClusterClient, { body }: Heard): Promise<Heard> =>
  client.command("DELETE", `/v1/bookings/lock/${body.lock_id}`);
