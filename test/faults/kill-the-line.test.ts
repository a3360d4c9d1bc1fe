// Goal: nothing of the line is lost when every process dies at once, and nobody is overtaken by it.
// Method: a crowd at shows that are held whole lives over HTTP, with its polls parked. It comes to rest and then gives up
// and takes up everything at once; at one of the first answers the processes are killed with -9, so that releases are on
// their way to offers and offers to acceptances. Started again on the same folder: what was told stands, what was never
// answered is asked again and takes effect once, the log is witnessed turn by turn, the seat map shows no seat idle; and
// in the end everybody who waits is served. The audit must pass, Ctrl-C leave no process.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { readRuntime } from "../../cli/runtime-file.ts";
import { smallCatalogue, smallShowId } from "../../demo/catalogue/small.ts";
import { createPool } from "../../shared/platform/postgres.ts";
import { until } from "../harness/allocator.ts";
import { once } from "../harness/http-client.ts";
import { type LineWitness, witness } from "../harness/line-witness.ts";
import { testFolder } from "../harness/postgres.ts";
import { isAlive, treeOf } from "../harness/processes.ts";
import { type Product, startProduct, usher } from "../harness/product.ts";
import { Crowd } from "./line-crowd.ts";
import type { Guest } from "./line-guest.ts";

const SHOWS = 4;
const SEATS_PER_ROW = 10;
const ROWS = new Map(
  [
    ["front", "A"],
    ["back", "B"],
  ].map(([category, row]) => [
    category as string,
    Array.from({ length: SEATS_PER_ROW }, (_, i) => `${row}${i + 1}`) as readonly string[],
  ]),
);
/** Of each seat, in layout order. */
const CATEGORY_OF = [...ROWS].flatMap(([category, labels]) => labels.map(() => category));
const ANSWERS_BETWEEN = 300;
const SHOW_IDS = Array.from({ length: SHOWS }, (_, i) => smallShowId(i));

/** Who dies, at which answer to a volley. */
const ROUNDS = [
  { whom: "everything", answers: 1 },
  { whom: "the product alone, its Postgres orphaned", answers: 2 },
  { whom: "everything", answers: 12 },
] as const;

interface SeatMap {
  readonly status: string;
  readonly counts: { readonly queued: number };
}

async function witnesses(dataDir: string): Promise<LineWitness[]> {
  const runtime = await readRuntime(dataDir);
  if (runtime === undefined) throw new Error("the product does not run");
  const pool = createPool({
    url: runtime.postgres_url,
    max: 1,
    applicationName: "test",
    statementTimeoutMs: 0,
    connectTimeoutMs: 5_000,
  });
  const names = [...ROWS.keys()];
  const categories = CATEGORY_OF.map((category) => names.indexOf(category));
  try {
    const seen: LineWitness[] = [];
    for (const showId of SHOW_IDS) seen.push(await witness(pool, showId, categories));
    return seen;
  } finally {
    await pool.end();
  }
}

/** Each seen at rest: the log, what waiters are told and the seat map say the same, and nobody could be served. */
async function checkLines(t: Test, product: Product, dataDir: string, crowd: Crowd): Promise<void> {
  const seen = await witnesses(dataDir);
  t.same(
    seen.flatMap(({ problems }) => problems),
    [],
    "nobody overtaken, no seat idle or given twice, nobody barges",
  );
  for (const [i, showId] of SHOW_IDS.entries()) {
    const { line, status, queued } = seen[i] as LineWitness;
    const map = (await once(product.url, "GET", `/v1/shows/${showId}/seatmap`, "")) as SeatMap;
    t.match(map, { status, counts: { queued } }, `${showId}: the seat map is the log's`);
    const guests = crowd.guests.filter((guest) => guest.showId === showId && guest.isInLine);
    // What was asked again may have brought others their offers.
    const found = await Promise.all(guests.map((guest) => guest.look()));
    const entries = found.filter(({ state }) => state === "waiting").sort((a, b) => a.position - b.position);
    t.same(
      entries.map(({ waiter_id, position }) => [waiter_id, position]),
      line.map((id, at) => [id, at + 1]),
      `${showId}: positions are the order of joining`,
    );
    const claimed = new Set<string>();
    for (const { waiter_id, categories, quantity } of entries) {
      const open = CATEGORY_OF.filter(
        (category, seat) => map.status[seat] === "0" && categories.includes(category) && !claimed.has(category),
      );
      if (open.length >= quantity) t.fail(`${waiter_id} waits for ${quantity} and ${open.length} seats are free to it`);
      for (const category of categories) claimed.add(category);
    }
  }
}

/** What was in the air when everything died, and how much of it had happened. */
function countUnanswered(guests: readonly Guest[], tookEffect: readonly boolean[]): string {
  const counts: Record<string, number> = {};
  guests.forEach(({ unanswered }, i) => {
    if (unanswered === undefined) return;
    const what = `${unanswered.intent}${tookEffect[i] ? " (had taken effect)" : ""}`;
    counts[what] = (counts[what] ?? 0) + 1;
  });
  return JSON.stringify(counts);
}

async function startCinema(t: Test, env: Record<string, string>): Promise<{ dataDir: string; product: Product }> {
  const dataDir = await testFolder(t);
  const catalogue = join(dataDir, "catalogue.json");
  // Nothing is to run out while this test runs.
  const policies = { hold_ttl_s: 3_600, offer_ttl_s: 3_600 };
  const categories = [...ROWS.keys()].map((name) => ({ name, price: 1_000 }));
  const startsAt = Date.now() + 86_400_000;
  const hall = { rows: ROWS.size, seatsPerRow: SEATS_PER_ROW, categories };
  await writeFile(catalogue, JSON.stringify(smallCatalogue({ shows: SHOWS, startsAt, policies, ...hall })));
  const product = await startProduct(t, dataDir, { flags: ["--no-demo"], env });
  t.equal((await usher(t, ["import", catalogue, "--data", dataDir]).ended).code, 0, "import");
  return { dataDir, product };
}

t.setTimeout(170_000);

t.test("kill -9 between releases and offers, between offers and acceptances", { timeout: 160_000 }, async (t) => {
  const env = { BOOKING_ATTEMPTS_PER_MIN: "0", PAYMENT_URL: "instant:" };
  const cinema = await startCinema(t, env);
  const { dataDir } = cinema;
  let { product } = cinema;
  const crowd = await Crowd.gather(product.url, SHOW_IDS, ROWS);
  t.teardown(() => {
    for (const guest of crowd.all) guest.disconnect();
  });
  await crowd.connect(product.url);
  await crowd.settleIn();
  for (const [round, { whom, answers }] of ROUNDS.entries()) {
    const before = crowd.answered;
    const lives = crowd.live();
    await until("enough was answered", () => crowd.answered >= before + ANSWERS_BETWEEN);
    await crowd.hush(round);
    const tree = await treeOf(product.child.pid as number);
    t.ok(tree.length >= 3, `the tree has ${tree.length} processes`);
    crowd.volley(answers, () => {
      for (const pid of whom === "everything" ? tree : tree.slice(0, 1)) process.kill(pid, "SIGKILL");
    });
    await lives;
    await product.ended;
    product = await startProduct(t, dataDir, { flags: ["--no-demo"], env });
    await crowd.connect(product.url);
    t.same(
      (await witnesses(dataDir)).flatMap(({ problems }) => problems),
      [],
      "the log is fair as it was found",
    );
    const tookEffect = await Promise.all(crowd.all.map((guest) => guest.check()));
    t.same(crowd.problems, [], "everything that was told stands");
    t.comment(`${whom}, at answer ${answers}: unanswered ${countUnanswered(crowd.all, tookEffect)}`);
    await crowd.askAgain();
    t.same(crowd.problems, [], "what was never answered takes effect once");
    await checkLines(t, product, dataDir, crowd);
  }
  crowd.goHome();
  await crowd.live();
  await checkLines(t, product, dataDir, crowd);
  t.same(crowd.problems, []);
  const swapCount = crowd.guests.reduce((sum, guest) => sum + guest.swapCount, 0);
  t.comment(`refused: ${JSON.stringify(crowd.refusals)}; took other seats than those offered: ${swapCount}`);
  t.ok(swapCount > 0, "some have swapped");
  t.ok((crowd.refusals["hold waitlist_active"] ?? 0) > 0, "newcomers have been refused");
  for (const { status, offered, joined } of await witnesses(dataDir)) {
    t.equal(status, "0".repeat(CATEGORY_OF.length), "everybody has been and gone");
    t.same([...offered].sort(), [...joined].sort(), "each was offered seats, once");
  }
  const audit = await usher(t, ["audit", "--data", dataDir]).ended;
  t.equal(audit.code, 0, `audit: ${audit.stdout}${audit.stderr}`);
  const tree = await treeOf(product.child.pid as number);
  product.child.kill("SIGINT");
  t.equal((await product.ended).code, 0, "Ctrl-C ends it well");
  t.same(tree.filter(isAlive), [], "and leaves no process behind");
});
