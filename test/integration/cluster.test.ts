// Goal: several nodes are one allocator: whoever dies, joins or leaves, what was acknowledged stands, once, and every
// command is answered. Method: real Postgres and NATS, nodes in this process that are crashed.

import t, { type Test } from "tap";
import { auditCell } from "../../allocator/journal/audit.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Reply, ShowUpdate } from "../../shared/protocol/reply.ts";
import {
  bookingIn,
  bySeats,
  confirm,
  newSession,
  placeHold,
  putOnSale,
  release,
  until,
  wordOf,
} from "../harness/allocator.ts";
import { type ClusterHouse, startClientOf, startNodeOf } from "../harness/cluster.ts";
import { startTestNats } from "../harness/nats.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const pg = await startTestPostgres(t);
const ASK_MS = 10_000;

async function house(t: Test, shows: number): Promise<ClusterHouse & { readonly showIds: readonly ShowId[] }> {
  const [database, nats] = await Promise.all([pg.freshDatabase(), startTestNats(t)]);
  const showIds = await putOnSale(database.pool, { shows });
  return { database, natsUrl: nats.url, showIds };
}

async function owners({ database }: ClusterHouse): Promise<Record<string, number>> {
  const { rows } = await database.pool.query<{ owner: string; n: number }>(
    "SELECT owner, count(*)::integer AS n FROM show_lease GROUP BY 1 ORDER BY 1",
  );
  return Object.fromEntries(rows.map(({ owner, n }) => [owner, n]));
}

t.test("three nodes share the shows; a crash moves the dead one's, with what they hold", async (t) => {
  const home = await house(t, 30);
  const nodes = [];
  for (const nodeId of ["n1", "n2", "n3"]) nodes.push(await startNodeOf(t, home, nodeId));
  const { client } = await startClientOf(t, home);
  const updates: ShowUpdate[] = [];
  client.onUpdate((update) => updates.push(update));
  const holds = await Promise.all(
    home.showIds.map(async (showId) => {
      const session = newSession();
      return { showId, session, id: bookingIn(await client.ask(showId, placeHold(bySeats(1, 2), session), ASK_MS)).id };
    }),
  );
  const shares = await owners(home);
  t.same(Object.keys(shares), ["n1", "n2", "n3"]);
  t.ok(
    Object.values(shares).every((n) => n >= 2),
    "each has some",
  );
  t.equal(new Set(updates.filter(({ changes }) => changes.length > 0).map(({ showId }) => showId)).size, 30);

  await nodes[0]?.crash();
  const replies = await Promise.all(
    holds.map(({ showId, session, id }) => client.ask(showId, confirm(id, session), ASK_MS)),
  );
  t.ok(
    replies.every((reply) => wordOf(reply) === "booked"),
    JSON.stringify(replies.map(wordOf)),
  );
  t.same(Object.keys(await owners(home)), ["n2", "n3"]);
  t.same((await auditCell(home.database.pool, home.database.pool)).problems, []);
});

t.test("nodes join and leave under load: nobody's request fails", async (t) => {
  const home = await house(t, 40);
  const first = await startNodeOf(t, home, "n1");
  const { client } = await startClientOf(t, home);
  let isOver = false;
  const words = new Map<string, number>();
  const count = (reply: Reply): void => {
    const word = reply.kind === "fault" ? `${reply.fault.code} ${reply.fault.outcome}` : wordOf(reply);
    words.set(word, (words.get(word) ?? 0) + 1);
  };
  let done = 0;
  const guest = async (showId: ShowId): Promise<void> => {
    while (!isOver) {
      const session = newSession();
      const reply = await client.ask(showId, placeHold(bySeats(3), session), ASK_MS);
      count(reply);
      if (reply.kind === "booking") count(await client.ask(showId, release(reply.booking.id, session), ASK_MS));
      done += 1;
    }
  };
  const guests = home.showIds.map(guest);
  const goOn = async (): Promise<void> => {
    const from = done;
    await until("the load goes on", () => done > from + 400);
  };
  await goOn();
  const second = await startNodeOf(t, home, "n2");
  await until("the newcomer has its share", async () => ((await owners(home))["n2"] ?? 0) >= 8);
  await goOn();
  await first.stop();
  await until("the one that left has nothing", async () => (await owners(home))["n1"] === undefined);
  await goOn();
  isOver = true;
  await Promise.all(guests);
  t.same([...words.keys()].sort(), ["held", "released"], JSON.stringify([...words]));
  await second.stop();
  t.same((await auditCell(home.database.pool, home.database.pool)).problems, []);
});
