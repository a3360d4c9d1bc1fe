// An allocator as one of several: its place in the cluster, its end of the bus, and the shows it takes over and hands on.
// N1: it serves only under a number that the view knows; deposed, it drops everything and comes back as another.
// N2: leaving, it serves what it has until others have claimed it, then says `moved`, then goes: nobody's request fails.

import type { Bus } from "../shared/cluster/bus.ts";
import { memberOf, upNodes } from "../shared/cluster/view.ts";
import { createPool, type Pool } from "../shared/platform/postgres.ts";
import { sleepMs } from "../shared/platform/timers.ts";
import { Adoption } from "./cluster/adoption.ts";
import { ClaimNews } from "./cluster/claim-news.ts";
import { Membership } from "./cluster/membership.ts";
import { PostgresMembershipStore } from "./cluster/membership-store.ts";
import { NodeLock } from "./cluster/node-lock.ts";
import { RingOwnership } from "./cluster/ownership.ts";
import { Silence } from "./cluster/silence.ts";
import { type Allocator, type AllocatorOptions, startAllocator } from "./main.ts";
import { CommandServer } from "./transport/command-server.ts";

const STATEMENT_TIMEOUT_MS = 1_000;
const CONNECT_TIMEOUT_MS = 1_000;
/** A beat, a judgement, a view. */
const CONNECTIONS_MAX = 3;
/** How long a node that leaves waits for others to claim what it has. */
const DRAIN_MAX_MS = 10_000;
const DRAIN_LOOK_MS = 20;

export interface ClusterNodeOptions extends Omit<AllocatorOptions, "cluster"> {
  readonly bus: Bus;
  /** The key of the lock that a single usher holds alone (K1 of node-lock.ts). */
  readonly soleKey: number;
}

export interface ClusterNode {
  readonly nodeId: string;
  /** What keeps it from taking shows: `nats`, `postgres`, `cluster` (it is not in the view, or leaving). */
  unready(): string[];
  /** Hands its shows on, commits what it has, and ends everything it started. */
  stop(): Promise<void>;
}

/** Rejects with what keeps it from joining; nothing it started is left then. */
export async function startClusterNode(options: ClusterNodeOptions): Promise<ClusterNode> {
  const { nodeId } = options;
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const end of stops.splice(0).reverse()) await end();
  };
  try {
    const lock = await NodeLock.take(options);
    stops.push(() => lock.stop());
    const pool = membershipPool(options);
    stops.push(() => pool.end());
    const node = await assemble(options, pool, lock);
    stops.push(node.stop);
    await node.start();
    return { nodeId, unready: node.unready, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const membershipPool = ({ databaseUrl, nodeId, log }: ClusterNodeOptions): Pool =>
  createPool({
    url: databaseUrl,
    max: CONNECTIONS_MAX,
    applicationName: `usher membership ${nodeId}`,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    log,
  });

interface Assembled {
  unready(): string[];
  start(): Promise<void>;
  stop(): Promise<void>;
}

async function assemble(options: ClusterNodeOptions, pool: Pool, lock: NodeLock): Promise<Assembled> {
  const { nodeId, bus, clock, timers, random, log } = options;
  const reading = (): number => clock.reading();
  const ownership = new RingOwnership(nodeId, reading);
  // Others claim while this one starts: it has no show yet that they could mean.
  let started: Allocator | undefined;
  const claims = new ClaimNews({ nodeId, bus, timers, onClaim: (id, epoch) => started?.shows.release(id, epoch) });
  const onClaimed = claims.tell.bind(claims);
  const starting = startAllocator({ ...options, cluster: { ownership, onClaimed } });
  starting.catch(() => claims.stop());
  const allocator = await starting;
  started = allocator;
  const { port, shows, activeShows } = allocator;
  const server = new CommandServer({ nodeId, bus, serve: (...asked) => port.serve(...asked), timers, log });
  port.onUpdate((update) => server.publish(update));
  const adoption = new Adoption({ activeShows, shows, ownership, timers, log });
  const silence = new Silence({ bus, timers, loadAnew: () => shows.dropAll() });
  const membership: Membership = new Membership({
    nodeId,
    store: new PostgresMembershipStore(pool),
    bus,
    timers,
    reading,
    random,
    log,
    hasLock: () => lock.isHeld,
    facts: () => ({ updates: server.updateNumber, unready: port.unready() }),
    onView: (view) => {
      ownership.adopt(view, membership.incarnation);
      adoption.sweep();
    },
    onIncarnation: (incarnation) => server.listen(incarnation),
    onDeposed: () => {
      ownership.depose();
      shows.dropAll();
    },
  });
  const stop = async (): Promise<void> => {
    silence.stop();
    await handOn(membership, shows, options);
    ownership.depose();
    shows.dropAll();
    await server.stop();
    await adoption.stop();
    claims.stop();
    await membership.stop();
    await allocator.stop();
  };
  const unready = (): string[] => [
    ...(bus.isConnected() ? [] : ["nats"]),
    ...port.unready(),
    ...(isUp(membership, nodeId) ? [] : ["cluster"]),
  ];
  return { unready, start: () => membership.start(), stop };
}

function isUp({ view, incarnation }: Membership, nodeId: string): boolean {
  const self = memberOf(view, nodeId);
  return self?.state === "up" && self.incarnation === incarnation;
}

/** Until others have claimed what this node has (N2), for as long as there are others, within a bound. */
async function handOn(
  membership: Membership,
  shows: Allocator["shows"],
  { clock, timers, log }: ClusterNodeOptions,
): Promise<void> {
  try {
    await membership.leave();
  } catch (error) {
    log.warn({ reason: String(error) }, "leaves without handing its shows on");
    return;
  }
  const endsAt = clock.reading() + DRAIN_MAX_MS;
  const isDone = (): boolean => shows.busyCount() === 0 || upNodes(membership.view).length === 0;
  while (!isDone() && clock.reading() < endsAt) await sleepMs(DRAIN_LOOK_MS, timers);
}
