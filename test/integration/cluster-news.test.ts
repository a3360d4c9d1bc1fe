// Goal: of what several nodes commit everything is in the stream, once, each show in order, whoever dies; and mails and
// webhooks are told from there, once, by whichever node. Method: nodes in this process that are crashed, each with a sink
// and a connection of its own; then the product as processes. The log says what there was to tell.

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import type { ShowEvent } from "../../allocator/core/event.ts";
import { JetStreamSink } from "../../allocator/news/jetstream-sink.ts";
import type { AllocatorClient } from "../../gateway/allocator-client.ts";
import type { BookingId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { NatsLink } from "../../shared/platform/nats.ts";
import { NEWS_STREAM } from "../../shared/platform/nats-news-stream.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
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
import { ClusterProduct, type Part } from "../harness/cluster-product.ts";
import { linkTo, startTestNats } from "../harness/nats.ts";
import { type Stored, storedIn } from "../harness/news.ts";
import { startTestPostgres, testFolder } from "../harness/postgres.ts";
import { startReceiver } from "../harness/webhook-receiver.ts";

const pg = await startTestPostgres(t);
const ASK_MS = 20_000;
const MAX_AGE_MS = 86_400_000;
const SECRET = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;

async function startTellingNode(t: Test, home: ClusterHouse, nodeId: string) {
  const link = await linkTo(t, home.natsUrl, { name: `news ${nodeId}` });
  const sink = new JetStreamSink({ link, maxAgeMs: MAX_AGE_MS, log: silentLog() });
  const node = await startNodeOf(t, home, nodeId, { sinks: [sink] });
  return {
    crash: async (): Promise<void> => {
      await link.stop(0);
      await node.crash();
    },
    stop: () => node.stop(),
  };
}

/** `show:seq:index` of everything in the log, each show in order. */
async function loggedIn(pool: Pool): Promise<Map<string, string[]>> {
  const { rows } = await pool.query<{ show_id: string; seq: number; events: string }>(
    "SELECT show_id, seq, events FROM show_log ORDER BY show_id, seq",
  );
  const logged = new Map<string, string[]>();
  for (const { show_id, seq, events } of rows) {
    const ids = (JSON.parse(events) as ShowEvent[]).map((_, index) => `${show_id}:${seq}:${index}`);
    logged.set(show_id, [...(logged.get(show_id) ?? []), ...ids]);
  }
  return logged;
}

function byShow(stored: readonly Stored[]): Map<string, string[]> {
  const shows = new Map<string, string[]>();
  for (const { id } of stored) {
    const showId = id.slice(0, id.indexOf(":"));
    shows.set(showId, [...(shows.get(showId) ?? []), id]);
  }
  return new Map([...shows].sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function countIn(link: NatsLink): Promise<number> {
  const manager = await link.connection().jetstreamManager();
  return (await manager.streams.info(NEWS_STREAM)).state.messages;
}

interface Hold {
  readonly showId: ShowId;
  readonly session: SessionId;
  readonly id: BookingId;
}

async function hold(client: AllocatorClient, showId: ShowId, seat: number): Promise<Hold> {
  const session = newSession();
  return { showId, session, id: bookingIn(await client.ask(showId, placeHold(bySeats(seat), session), ASK_MS)).id };
}

t.test("three nodes, one is killed, one leaves: all of the log is in the stream, once, in order", async (t) => {
  const [database, nats] = await Promise.all([pg.freshDatabase(), startTestNats(t)]);
  const showIds = await putOnSale(database.pool, { shows: 20 });
  const home = { database, natsUrl: nats.url };
  const nodes = [];
  for (const nodeId of ["n1", "n2", "n3"]) nodes.push(await startTellingNode(t, home, nodeId));
  const { client } = await startClientOf(t, home);
  const holds = await Promise.all(showIds.flatMap((showId) => [0, 2, 4].map((seat) => hold(client, showId, seat))));
  const finishing = holds.map(({ showId, session, id }, i) =>
    client.ask(showId, i % 3 === 0 ? release(id, session) : confirm(id, session), ASK_MS),
  );
  // In the midst: some of it is committed and told, some committed only, some not yet.
  await Promise.race(finishing);
  await nodes[0]?.crash();
  const words = (await Promise.all(finishing)).map(wordOf);
  t.same(new Set(words), new Set(["released", "booked"]), JSON.stringify(words));
  const more = showIds.map((showId) => hold(client, showId, 6));
  await nodes[1]?.stop();
  await Promise.all(more);

  const link = await linkTo(t, nats.url);
  const logged = await loggedIn(database.pool);
  const count = [...logged.values()].flat().length;
  // What the dead one never told in shows with nothing left to do is found by a sweep.
  await until("all is told", async () => (await countIn(link)) >= count, 90_000);
  const stored = await storedIn(link.connection());
  t.same(byShow(stored), new Map([...logged].sort(([a], [b]) => (a < b ? -1 : 1))));
  t.equal(stored.filter(({ type }) => type === "booking.confirmed").length, 40);
});

/** A booking of one seat by somebody with an address; its id. */
async function book({ url = "" }: Part, showId: string): Promise<string> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  const post = async (path: string, body: object): Promise<Record<string, string>> => {
    const key = { "x-idempotency-key": path };
    const init = { method: "POST", headers: { ...headers, ...key }, body: JSON.stringify(body) };
    return (await (await fetch(url + path, init)).json()) as Record<string, string>;
  };
  headers.authorization = `Bearer ${(await post("/v1/sessions", {})).token}`;
  const { lock_id } = await post("/v1/bookings/lock", { showtime_id: showId, quantity: 1 });
  const contact = { email: "guest@example.org" };
  const { status } = await post("/v1/bookings/confirm", { lock_id, payment_token: "pm_card_visa", contact });
  if (status !== "booked") throw new Error(`confirming answered ${status}`);
  return lock_id ?? "";
}

t.test("usher allocator: each booking has its webhook and its mail, whichever node is killed", async (t) => {
  const receiver = await startReceiver(t, { secret: SECRET });
  const dataDir = await testFolder(t);
  const product = await ClusterProduct.start(t, {
    allocators: 2,
    gateways: 1,
    isWired: false,
    env: { USHER_DATA: dataDir, WEBHOOK_URLS: receiver.url, WEBHOOK_SECRET: SECRET, WEBHOOK_EVENTS: "booking.*" },
  });
  const showIds = await putOnSale(product.pool, { shows: 8 });
  const [gateway] = product.gateways as [Part];
  const bookAll = (): Promise<string[]> => Promise.all(showIds.map((showId) => book(gateway, showId)));
  const told = (): string[] => [...new Set(receiver.requests.map(({ news }) => String(news.data.booking_id)))].sort();
  const first = await bookAll();
  await until("all have their webhook", () => told().length >= first.length, 60_000);
  t.equal(receiver.taken.length, first.length, "both nodes listen, one of them tells");
  const mails = (): Promise<string[]> => readdir(join(dataDir, "mail")).catch(() => []);
  await until("all have their mail", async () => (await mails()).length >= first.length, 60_000);
  t.equal((await mails()).length, first.length);
  await product.allocator("n1").kill();
  const second = await bookAll();
  const all = [...first, ...second].sort();
  // What the dead one had in its hands comes again when the server has waited for it, after 30 s.
  await until("all have their webhook", () => told().length >= all.length, 120_000);
  t.same(told(), all);
});
