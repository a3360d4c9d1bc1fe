// Goal: with NATS_URL the product puts its news into the stream and tells mail and webhooks from there, also when NATS
// comes late, and says plainly when that NATS is not one for it. Method: `usher start` with a real Postgres and NATS.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { StorageType } from "nats";
import t, { type Test } from "tap";
import { NEWS_STREAM } from "../../shared/platform/nats-news-stream.ts";
import { putOnSale, until } from "../harness/allocator.ts";
import type { TestServer } from "../harness/native-server.ts";
import { linkTo, startTestNats } from "../harness/nats.ts";
import { type Stored, storedIn } from "../harness/news.ts";
import { startTestPostgres, testFolder } from "../harness/postgres.ts";
import { type Product, startProduct, usher } from "../harness/product.ts";
import { startReceiver } from "../harness/webhook-receiver.ts";

const pg = await startTestPostgres(t);
const SECRET = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;

/** A booking of two seats by somebody with an address; its id. */
async function book(product: Product, showId: string): Promise<string> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  const post = async (path: string, body: object): Promise<Record<string, string>> => {
    const key = { "x-idempotency-key": path };
    const init = { method: "POST", headers: { ...headers, ...key }, body: JSON.stringify(body) };
    return (await (await fetch(product.url + path, init)).json()) as Record<string, string>;
  };
  headers.authorization = `Bearer ${(await post("/v1/sessions", {})).token}`;
  const { lock_id } = await post("/v1/bookings/lock", { showtime_id: showId, quantity: 2 });
  const contact = { email: "guest@example.org" };
  await post("/v1/bookings/confirm", { lock_id, payment_token: "pm_card_visa", contact });
  return lock_id ?? "";
}

async function stored(t: Test, nats: TestServer): Promise<Stored[]> {
  const link = await linkTo(t, nats.url);
  return storedIn(link.connection()).catch(() => []);
}

const mailsIn = (dataDir: string): Promise<string[]> => readdir(join(dataDir, "mail")).catch(() => []);

t.test("stream, webhook and mail; NATS comes late and goes away", async (t) => {
  const database = await pg.freshDatabase();
  const [showId = ""] = await putOnSale(database.pool);
  const nats = await startTestNats(t);
  const receiver = await startReceiver(t, { secret: SECRET });
  await nats.stop();
  const dataDir = await testFolder(t);
  const product = await startProduct(t, dataDir, {
    env: {
      DATABASE_URLS: database.url,
      NATS_URL: nats.url,
      PAYMENT_URL: "instant:",
      BOOKING_ATTEMPTS_PER_MIN: "0",
      WEBHOOK_URLS: receiver.url,
      WEBHOOK_SECRET: SECRET,
      WEBHOOK_EVENTS: "booking.*",
    },
  });
  const first = await book(product, showId);
  await nats.start();
  await receiver.requested(1);
  await nats.kill();
  const second = await book(product, showId);
  await nats.start();
  // At least once: what was told when NATS was killed may come again.
  const confirmed = (): unknown[] => [...new Set(receiver.requests.map(({ news }) => news.data.booking_id))];
  await until("the webhook knows both", () => confirmed().length >= 2);
  t.same(confirmed(), [first, second]);
  await until("both have their mail", async () => (await mailsIn(dataDir)).length >= 2, 60_000);
  const all = await stored(t, nats);
  const types = all.filter(({ body }) => body.data.show_id === showId).map(({ type }) => type);
  t.same(
    types.filter((type) => type.startsWith("booking.")),
    ["booking.confirmed", "booking.confirmed"],
  );
  t.equal(new Set(all.map(({ id }) => id)).size, all.length);
  product.child.kill("SIGINT");
  const { code } = await product.ended;
  t.equal(code, 0);
});

t.test("a NATS that is not one for it ends the start with a sentence", async (t) => {
  const database = await pg.freshDatabase();
  const nats = await startTestNats(t);
  const link = await linkTo(t, nats.url);
  const jsm = await link.connection().jetstreamManager();
  await jsm.streams.add({ name: NEWS_STREAM, subjects: ["usher.news.>"], storage: StorageType.Memory });
  const env = { DATABASE_URLS: database.url, PAYMENT_URL: "instant:" };
  const start = async (url: string) =>
    usher(t, ["start", "--port", "0", "--data", await testFolder(t)], { ...env, NATS_URL: url }).ended;
  const other = await start(nats.url);
  t.not(other.code, 0);
  t.match(other.stderr, /stream USHER_NEWS of this NATS is not one for Usher's news \(it is not kept in files\)/);
  const wrong = new URL(nats.url);
  wrong.password = "hidden";
  const refused = await start(wrong.href);
  t.not(refused.code, 0);
  t.match(refused.stderr, /^NATS at 127\.0\.0\.1:\d+ lets us not in/);
  t.notMatch(refused.stderr, "hidden");
});
