// Goal: a node that starts while others claim shows gets to its feet. Method: somebody tells of claims without pause,
// from before it subscribes until it has joined.

import t from "tap";
import { claimSubject } from "../../shared/cluster/subjects.ts";
import { bySeats, newSession, placeHold, putOnSale, wordOf } from "../harness/allocator.ts";
import { startClientOf, startNodeOf } from "../harness/cluster.ts";
import { linkTo, startTestNats } from "../harness/nats.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const pg = await startTestPostgres(t);

t.test("others claim shows while a node starts", async (t) => {
  const [database, nats] = await Promise.all([pg.freshDatabase(), startTestNats(t)]);
  const [showId] = await putOnSale(database.pool);
  const home = { database, natsUrl: nats.url };
  const other = await linkTo(t, nats.url, { name: "other" });
  const claim = Buffer.from(JSON.stringify([["some-show", 7]]));
  let isTelling = true;
  let told = 0;
  const tell = (): void => {
    if (!isTelling) return;
    other.publish(claimSubject("other"), claim);
    told += 1;
    setImmediate(tell);
  };
  tell();
  await startNodeOf(t, home, "n1");
  isTelling = false;
  t.ok(told > 1, "somebody told of claims meanwhile");
  const { client } = await startClientOf(t, home);
  t.equal(
    wordOf(await client.ask(showId as NonNullable<typeof showId>, placeHold(bySeats(1), newSession()), 10_000)),
    "held",
  );
});
