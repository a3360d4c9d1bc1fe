// What can happen to a cluster, one fault each, under load: the fault, how it is felt, and that everything answers again.

import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import { until } from "../harness/allocator.ts";
import type { ClusterProduct, Part } from "../harness/cluster-product.ts";
import type { Direction, TcpProxy } from "../harness/tcp-proxy.ts";
import type { ClusterLoad } from "./cluster-load.ts";

export interface Stage {
  readonly isLong: boolean;
  readonly product: ClusterProduct;
  readonly load: ClusterLoad;
  readonly comment: (text: string) => void;
}

export interface Scenario {
  readonly name: string;
  /** Of the short set, too. */
  readonly isShort?: true;
  run(stage: Stage): Promise<void>;
}

const HANG_MS = 5_000;
/** Attempts that come to nothing until a fault counts as felt by everybody. */
const FELT_BY = 24;
/** Commands answered until it counts as over. */
const OVER_AFTER = 150;

/** Who owns most shows now. */
async function owner({ product }: Stage): Promise<{ readonly victim: Part; readonly shows: readonly string[] }> {
  const alive = new Set(product.allocators.filter(({ isAlive }) => isAlive).map(({ name }) => name));
  const shares = [...(await product.showsByOwner())].filter(([name]) => alive.has(name));
  const [name, shows] = shares.sort(([, a], [, b]) => b.length - a.length)[0] ?? ["", []];
  return { victim: product.allocator(name), shows };
}

async function answersAgain({ load, comment }: Stage, after: string): Promise<void> {
  const tookMs = Math.round(await load.flows());
  comment(`${after}: every show has answered after ${tookMs} ms`);
  await load.goesOn(OVER_AFTER);
}

async function comesBack(stage: Stage, part: Part): Promise<void> {
  await part.start();
  await stage.product.agreed();
  await answersAgain(stage, `${part.name} is back`);
}

async function killOwner(stage: Stage): Promise<void> {
  const { victim, shows } = await owner(stage);
  const gone = victim.kill();
  await answersAgain(stage, `${victim.name} with ${shows.length} shows killed`);
  await gone;
  await stage.product.agreed();
  await comesBack(stage, victim);
}

/** With commands on their way in, in a turn, in a commit, and on their way out. */
async function killMidBatch(stage: Stage): Promise<void> {
  const { load, product } = stage;
  for (const answers of stage.isLong ? [1, 3, 9] : [3]) {
    await load.rest();
    const { victim, shows } = await owner(stage);
    await new Promise<void>((resolve) => {
      load.volley(shows, answers, () => void victim.kill().then(resolve));
    });
    await answersAgain(stage, `${victim.name} with ${shows.length} shows killed at answer ${answers}`);
    await product.agreed();
    await comesBack(stage, victim);
  }
}

async function freezeOwner(stage: Stage): Promise<void> {
  const { product } = stage;
  const { victim, shows } = await owner(stage);
  const before = (await product.members()).find(({ nodeId }) => nodeId === victim.name);
  victim.signal("SIGSTOP");
  const hang = sleepMs(HANG_MS, systemTimers);
  await answersAgain(stage, `${victim.name} with ${shows.length} shows frozen`);
  await hang;
  victim.signal("SIGCONT");
  await until("it is back as another", async () => {
    const now = (await product.members()).find(({ nodeId }) => nodeId === victim.name);
    return (now?.incarnation ?? 0) > (before?.incarnation ?? 0);
  });
  await answersAgain(stage, `${victim.name} goes on`);
}

type Cut = readonly [Direction, "keep" | "swallow"];
const CUTS: readonly Cut[] = [
  ["up", "keep"],
  ["down", "keep"],
  ["both", "keep"],
  ["up", "swallow"],
  ["down", "swallow"],
  ["both", "swallow"],
];

/** The shows are served without the one that is cut off. */
async function cut(stage: Stage, wire: TcpProxy, [direction, what]: Cut, name: string): Promise<void> {
  wire.cut(direction, what);
  await answersAgain(stage, `${name} cut ${direction} (${what})`);
  wire.mend();
  await stage.product.agreed();
  await answersAgain(stage, `${name} mended`);
}

async function cutOwner(stage: Stage, from: "nats" | "postgres", cuts: readonly Cut[]): Promise<void> {
  for (const each of cuts) {
    const { victim } = await owner(stage);
    await cut(stage, wireOf(victim, from), each, `${victim.name} ↔ ${from}`);
  }
}

async function cutGateway(stage: Stage, from: "nats" | "postgres", cuts: readonly Cut[]): Promise<void> {
  for (const each of cuts) {
    const gateway = stage.product.gateways[0] as Part;
    await cut(stage, wireOf(gateway, from), each, `${gateway.name} ↔ ${from}`);
  }
}

function wireOf(part: Part, to: "nats" | "postgres"): TcpProxy {
  if (part.wires === undefined) throw new Error("the cluster has no wires");
  return part.wires[to];
}

async function resetEverything(stage: Stage): Promise<void> {
  for (const to of ["nats", "postgres"] as const) {
    for (const part of stage.product.parts) wireOf(part, to).reset();
    await answersAgain(stage, `all connections to ${to} reset`);
  }
}

async function restartNats(stage: Stage): Promise<void> {
  await stage.product.nats.kill();
  await stage.load.isHit(FELT_BY);
  await stage.product.nats.start();
  await answersAgain(stage, "NATS started again");
}

async function freezeNats(stage: Stage): Promise<void> {
  stage.product.nats.freeze();
  const hang = sleepMs(HANG_MS, systemTimers);
  await stage.load.isHit(FELT_BY);
  await hang;
  stage.product.nats.thaw();
  await answersAgain(stage, "NATS goes on");
}

async function restartPostgres(stage: Stage): Promise<void> {
  await stage.product.killPostgres();
  await stage.load.isHit(FELT_BY);
  await stage.product.restartPostgres();
  await answersAgain(stage, "Postgres started again");
}

async function slowPostgres(stage: Stage): Promise<void> {
  for (const part of stage.product.parts) wireOf(part, "postgres").delay(250);
  await answersAgain(stage, "Postgres is 500 ms away");
  for (const part of stage.product.parts) wireOf(part, "postgres").mend();
  await answersAgain(stage, "Postgres is near again");
}

async function hungSockets(stage: Stage): Promise<void> {
  for (const part of stage.product.parts) wireOf(part, "postgres").block();
  await stage.load.isHit(FELT_BY);
  for (const part of stage.product.parts) wireOf(part, "postgres").mend();
  await answersAgain(stage, "the sockets to Postgres move again");
}

async function freezePostgres(stage: Stage): Promise<void> {
  const thaw = await stage.product.freezePostgres();
  const hang = sleepMs(HANG_MS, systemTimers);
  try {
    await stage.load.isHit(FELT_BY);
    await hang;
  } finally {
    thaw();
  }
  await answersAgain(stage, "Postgres goes on");
}

async function withoutRedis(stage: Stage): Promise<void> {
  const before = stage.load.repeatCount;
  await stage.product.redis.kill();
  await answersAgain(stage, "Redis gone");
  await stage.product.redis.start();
  await answersAgain(stage, "Redis started again");
  stage.comment(`${stage.load.repeatCount - before} attempts came to nothing`);
}

async function killGateway(stage: Stage): Promise<void> {
  const gateway = stage.product.gateways[0] as Part;
  await gateway.kill();
  await answersAgain(stage, "a gateway killed");
  await gateway.start();
  await answersAgain(stage, "and started again");
}

const NEWCOMERS = ["n4", "n5", "n6"];

async function growAndShrink(stage: Stage): Promise<void> {
  const { product, load } = stage;
  const before = load.repeatCount;
  for (const name of NEWCOMERS) {
    const part = product.allocators.find((each) => each.name === name) ?? (await product.addAllocator(name));
    await comesBack(stage, part);
  }
  for (const name of NEWCOMERS) {
    const code = await product.allocator(name).leave();
    if (code !== 0) throw new Error(`${name} ended with ${code}`);
    await product.agreed();
    await answersAgain(stage, `${name} left`);
  }
  stage.comment(`${load.repeatCount - before} attempts came to nothing`);
}

export const SCENARIOS: readonly Scenario[] = [
  { name: "an owner is killed", run: killOwner },
  { name: "an owner is killed in the middle of a batch", run: killMidBatch, isShort: true },
  { name: "an owner hangs for 5 s", run: freezeOwner, isShort: true },
  { name: "an owner is cut off from NATS", run: (stage) => cutOwner(stage, "nats", CUTS) },
  { name: "an owner is cut off from Postgres", run: (stage) => cutOwner(stage, "postgres", CUTS) },
  { name: "a gateway is cut off from NATS", run: (stage) => cutGateway(stage, "nats", CUTS) },
  { name: "a gateway is cut off from Postgres", run: (stage) => cutGateway(stage, "postgres", CUTS) },
  { name: "all connections are reset", run: resetEverything },
  { name: "NATS is killed and started again", run: restartNats, isShort: true },
  { name: "NATS hangs for 5 s", run: freezeNats },
  { name: "Postgres is killed and started again", run: restartPostgres, isShort: true },
  { name: "Postgres is slow", run: slowPostgres },
  { name: "the sockets to Postgres hang", run: hungSockets },
  { name: "Postgres hangs for 5 s", run: freezePostgres },
  { name: "Redis is gone", run: withoutRedis },
  { name: "a gateway is killed", run: killGateway, isShort: true },
  { name: "three allocators become six and three again", run: growAndShrink },
];
