// The cluster as its users run it: every part a process of its own, with a wire of ours between any two of them.
// Parts are killed, frozen, cut off and started again; Postgres, NATS and Redis too.
// C1: what was started ends with the test, also when it fails: frozen parts are killed, wires closed, folders removed.
// C2: `pool` goes straight to Postgres, past all wires.

import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../shared/platform/embedded-postgres.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { until } from "./allocator.ts";
import type { TestServer } from "./native-server.ts";
import { startTestNats } from "./nats.ts";
import { startTestPostgres, type TestPostgres, type TestScope } from "./postgres.ts";
import { freezePostgres } from "./postgres-processes.ts";
import { type Ended, type RunningCommand, usher } from "./product.ts";
import { startTestRedis } from "./redis.ts";
import { TcpProxy } from "./tcp-proxy.ts";

/** What test servers leave out: without it one that is killed loses commits that it has answered. No disk is waited for. */
const KILLABLE = { synchronous_commit: "on", full_page_writes: "on" };
/** Six allocators and two gateways, and who watches them. */
const SETTINGS = { max_connections: "300", shared_buffers: "64MB", ...KILLABLE };

/** A busy machine may take longer than a part waits for its first connection. */
const STARTS_MAX = 3;

export interface ClusterProductOptions {
  readonly allocators: number;
  readonly gateways: number;
  readonly env?: Record<string, string>;
  /** Without wires the parts talk to one another directly: for measuring. */
  readonly isWired?: boolean;
}

interface Member {
  readonly nodeId: string;
  readonly incarnation: number;
  readonly state: string;
}

/** What lies between a part and its surroundings. */
export interface Wires {
  readonly nats: TcpProxy;
  readonly postgres: TcpProxy;
}

/** A process of the cluster through all its lives. */
export class Part {
  readonly name: string;
  readonly wires: Wires | undefined;
  readonly #start: () => RunningCommand;
  #command: RunningCommand | undefined;
  #url: string | undefined;
  /** What earlier lives have said on stderr. */
  #said = "";

  constructor(name: string, wires: Wires | undefined, start: () => RunningCommand) {
    this.name = name;
    this.wires = wires;
    this.#start = start;
  }

  get isAlive(): boolean {
    return this.#command !== undefined;
  }

  /** Of a gateway that runs. */
  get url(): string | undefined {
    return this.#url;
  }

  get pid(): number {
    return this.#command?.child.pid ?? Number.NaN;
  }

  /** The lines of its log so far. Only those of ended lives. */
  get said(): string {
    return this.#said;
  }

  /** Resolves when it is ready. One that does not get so far is started again, as a supervisor would. */
  async start(): Promise<void> {
    let said = "";
    for (let attempt = 1; attempt <= STARTS_MAX; attempt += 1) {
      const command = this.#start();
      this.#command = command;
      const ready = await command.line(/^ready /);
      if (ready !== undefined) return this.#isReady(command, ready.slice("ready ".length));
      said = (await command.ended).stderr;
    }
    throw new Error(`${this.name} ended: ${said}`);
  }

  #isReady(command: RunningCommand, place: string): void {
    if (place.startsWith("http")) this.#url = place;
    void command.ended.then(({ stderr }) => {
      this.#said += stderr;
    });
  }

  signal(name: NodeJS.Signals): void {
    this.#command?.child.kill(name);
  }

  /** kill -9. Resolves when it is gone; it counts as dead at once. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** In good order; answers the exit code. */
  async leave(): Promise<number | null> {
    return (await this.#end("SIGTERM"))?.code ?? null;
  }

  async #end(signal: NodeJS.Signals): Promise<Ended | undefined> {
    const command = this.#command;
    this.signal(signal);
    this.#command = undefined;
    this.#url = undefined;
    return command?.ended;
  }
}

export class ClusterProduct {
  readonly nats: TestServer;
  readonly redis: TestServer;
  readonly postgres: TestPostgres;
  readonly allocators: Part[] = [];
  readonly gateways: Part[] = [];
  readonly #t: TestScope;
  readonly #options: ClusterProductOptions;
  /** The life of Postgres that runs now. */
  #server: EmbeddedPostgres;

  private constructor(
    t: TestScope,
    options: ClusterProductOptions,
    servers: Pick<ClusterProduct, "nats" | "redis" | "postgres">,
  ) {
    this.#t = t;
    this.#options = options;
    this.nats = servers.nats;
    this.redis = servers.redis;
    this.postgres = servers.postgres;
    this.#server = servers.postgres.server;
  }

  /** Resolves when every part is ready. */
  static async start(t: TestScope, options: ClusterProductOptions): Promise<ClusterProduct> {
    const postgres = await startTestPostgres(t, { settings: SETTINGS });
    const [nats, redis] = await Promise.all([startTestNats(t), startTestRedis(t)]);
    const product = new ClusterProduct(t, options, { nats, redis, postgres });
    for (let i = 1; i <= options.allocators; i += 1) await product.addAllocator(`n${i}`);
    for (let i = 1; i <= options.gateways; i += 1) await product.addGateway(`g${i}`);
    await Promise.all([...product.allocators, ...product.gateways].map((part) => part.start()));
    return product;
  }

  get pool(): Pool {
    return this.postgres.pool;
  }

  get parts(): Part[] {
    return [...this.allocators, ...this.gateways];
  }

  allocator(name: string): Part {
    const part = this.allocators.find((each) => each.name === name);
    if (part === undefined) throw new Error(`there is no ${name}`);
    return part;
  }

  /** Not started yet. */
  async addAllocator(name: string): Promise<Part> {
    const part = await this.#part(name, ["allocator", "--node", name]);
    this.allocators.push(part);
    return part;
  }

  async addGateway(name: string): Promise<Part> {
    const part = await this.#part(name, ["gateway", "--port", "0"]);
    this.gateways.push(part);
    return part;
  }

  async members(): Promise<Member[]> {
    const { rows } = await this.pool.query<{ members: Member[] }>("SELECT members FROM cluster_view");
    return rows[0]?.members ?? [];
  }

  /** Until the view has exactly the allocators that run, all up. */
  async agreed(): Promise<void> {
    const alive = this.allocators.filter(({ isAlive }) => isAlive).map(({ name }) => `${name} up`);
    const wanted = alive.sort().join();
    await until(`the view is ${wanted}`, async () => {
      const members = await this.members();
      return members.map(({ nodeId, state }) => `${nodeId} ${state}`).join() === wanted;
    });
  }

  /** The shows of each node, as their leases say. */
  async showsByOwner(): Promise<Map<string, string[]>> {
    const { rows } = await this.pool.query<{ owner: string; shows: string[] }>(
      "SELECT owner, array_agg(show_id ORDER BY show_id) AS shows FROM show_lease GROUP BY owner",
    );
    return new Map(rows.map(({ owner, shows }) => [owner, shows]));
  }

  /** As `kill -9` of the postmaster: its backends follow it. */
  async killPostgres(): Promise<void> {
    process.kill(this.#server.pid, "SIGKILL");
    await this.#server.exited;
    // Gives the folder back.
    await this.#server.stop();
  }

  /** On the same folder and at the same port. */
  async restartPostgres(): Promise<void> {
    const { dataDir } = this.postgres;
    const { port } = this.#server;
    const server = await startEmbeddedPostgres({ dataDir, port, fsync: false, settings: SETTINGS, log: silentLog() });
    this.#t.teardown(() => server.stop());
    this.#server = server;
  }

  /** Answers how to let it go on. */
  freezePostgres(): Promise<() => void> {
    return freezePostgres(this.#server.pid);
  }

  /** Whatever was done to parts and wires: all run, and hear one another. */
  async restore(): Promise<void> {
    for (const { wires } of this.parts) {
      wires?.nats.mend();
      wires?.postgres.mend();
    }
    for (const part of this.parts) part.signal("SIGCONT");
    await Promise.all(this.parts.filter(({ isAlive }) => !isAlive).map((part) => part.start()));
    await this.agreed();
  }

  async #part(name: string, args: readonly string[]): Promise<Part> {
    const wires = (this.#options.isWired ?? true) ? await this.#wires() : undefined;
    const env = {
      LOG_LEVEL: "warn",
      PAYMENT_URL: "instant:",
      BOOKING_ATTEMPTS_PER_MIN: "0",
      ...this.#options.env,
      DATABASE_URLS: wires?.postgres.through(this.postgres.url) ?? this.postgres.url,
      NATS_URL: wires?.nats.through(this.nats.url) ?? this.nats.url,
      REDIS_URL: this.redis.url,
    };
    return new Part(name, wires, () => usher(this.#t, args, env));
  }

  async #wires(): Promise<Wires> {
    const { port } = this.#server;
    const [nats, postgres] = await Promise.all([
      TcpProxy.start(this.#t, this.nats.port),
      TcpProxy.start(this.#t, port),
    ]);
    return { nats, postgres };
  }
}
