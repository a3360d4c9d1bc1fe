// Goal: whatever part of a cluster is killed, hangs or is cut off, what was acknowledged stands, once and in order.
// Method: three allocators and two gateways as processes over real Postgres, NATS and Redis, with wires of ours between any
// two; guests who repeat with their key until they are answered, and watchers of seat maps, write down what they are told.
// After the faults everything is held against the logs: cluster-proof.ts says how. `npm run faults` tries all of
// cluster-scenarios.ts and checks after each; `FAULTS_ONLY=pattern` those whose name matches,
// `FAULTS_ROUNDS=n` n times.

import t, { type Test } from "tap";
import { auditCell } from "../../allocator/journal/audit.ts";
import { until } from "../harness/allocator.ts";
import { ClusterProduct } from "../harness/cluster-product.ts";
import { ClusterLoad, SEATS_PER_ROW } from "./cluster-load.ts";
import { prove } from "./cluster-proof.ts";
import { SCENARIOS, type Stage } from "./cluster-scenarios.ts";
import { storedBookings, storedWaiters } from "./payment-story.ts";

const IS_LONG = process.env.FAULTS === "long";
const ONLY = process.env.FAULTS_ONLY;
const ROUNDS = Number(process.env.FAULTS_ROUNDS ?? 1);
const scenarios = SCENARIOS.filter(({ name, isShort }) =>
  ONLY === undefined ? IS_LONG || isShort : new RegExp(ONLY).test(name),
);

t.setTimeout(IS_LONG ? 3_000_000 : 175_000);

/** At rest everybody is asked what they know. */
async function check(t: Test, { product, load }: Stage): Promise<void> {
  const { history, watchers } = load;
  await load.rest();
  const { pool } = product;
  const proof = await prove(pool, load.shows, history, watchers);
  t.same(proof.problems, [], "everything that was told is the logs', in order");
  t.same(history.problems, [], "nobody was answered what nobody should be");
  const stored = await storedBookings(pool, SEATS_PER_ROW);
  t.same(history.stories.compare(stored), [], "what was told of bookings stands");
  t.same(history.stories.compareLine(await storedWaiters(pool)), [], "so does what was told in the line");
  t.same((await auditCell(pool, pool)).problems, [], "the logs, replayed, are the tables");
  await until("every watcher sees the last state", () =>
    watchers.every(({ showId, version }) => version === proof.lastVersions.get(showId)),
  );
  t.same(
    watchers.flatMap(({ problems }) => problems),
    [],
    "streams go forward",
  );
  const codes: Record<string, number> = {};
  for (const { intent, code } of history.refused) codes[`${intent} ${code}`] = (codes[`${intent} ${code}`] ?? 0) + 1;
  t.comment(
    `${history.acknowledged.length} acknowledged, ${proof.turns} turns, ${proof.epochs} owners one after another`,
  );
  t.comment(`refused: ${JSON.stringify(codes)}; repeated: ${JSON.stringify(load.repeats)}`);
  load.goOn();
}

/** What a part must never have said: bugs, and what is no log at all. */
function complaints(said: string): string[] {
  return said
    .split("\n")
    .filter((line) => line !== "" && (!line.startsWith("{") || /"level":60|assertion|quarantin/.test(line)));
}

// Not in `npm test` yet: all its checks pass, but under tap its process does not end by itself afterwards.
const skip = IS_LONG || ONLY !== undefined ? false : "npm run faults";

t.test("a cluster under load, one fault after the other", { skip, timeout: 0 }, async (t) => {
  const product = await ClusterProduct.start(t, { allocators: 3, gateways: 2 });
  await product.agreed();
  const load = await ClusterLoad.start(t, product);
  const stage: Stage = { isLong: IS_LONG, product, load, comment: (text) => t.comment(text) };
  await load.flows();
  for (const { name, run } of Array.from({ length: ROUNDS }, () => scenarios).flat()) {
    const startedAt = performance.now();
    try {
      await run(stage);
      t.pass(`${name} (${Math.round(performance.now() - startedAt)} ms)`);
    } catch (error) {
      t.fail(`${name}: ${String(error)}`);
      // The others are tried all the same.
      await product.restore();
      await load.flows();
    }
    if (IS_LONG) await check(t, stage);
  }
  if (!IS_LONG) await check(t, stage);
  await load.end();
  const alive = product.parts.filter(({ isAlive }) => isAlive);
  t.same(
    await Promise.all(alive.map((part) => part.leave())),
    alive.map(() => 0),
    "all leave in good order",
  );
  t.same(
    product.parts.flatMap(({ said }) => complaints(said)),
    [],
    "no part has met a bug",
  );
});
