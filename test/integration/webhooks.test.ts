// Goal: what is committed reaches webhooks' receivers, verified and in order, over a killed node, refusals and a receiver
// that is away for a while; one in trouble keeps the other waiting for nothing. Method: real Postgres, the real
// allocator, real HTTP; at the end the log is read and compared.

import { Registry } from "prom-client";
import t, { type Test } from "tap";
import type { ShowEvent } from "../../allocator/core/event.ts";
import { NEWS_TYPE_OF } from "../../allocator/news/news-of.ts";
import { parseEndpoints } from "../../notifier/webhooks/endpoint.ts";
import { EVENTS_DEFAULT, parseEvents } from "../../notifier/webhooks/event-choice.ts";
import type { Parsed } from "../../notifier/webhooks/parsed.ts";
import { parseSecrets } from "../../notifier/webhooks/signature.ts";
import { Webhooks } from "../../notifier/webhooks/webhooks.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { systemTimers } from "../../shared/platform/timers.ts";
import { wallClockMs } from "../../shared/platform/wall-clock.ts";
import {
  askUntilAnswered,
  bookingIn,
  bySeats,
  confirm,
  newSession,
  placeHold,
  putOnSale,
  release,
  startNode,
  type TestNode,
  until,
} from "../harness/allocator.ts";
import { startTestPostgres, type TestDatabase, testFolder } from "../harness/postgres.ts";
import { startProduct, usher } from "../harness/product.ts";
import { type Reaction, type Receiver, startReceiver } from "../harness/webhook-receiver.ts";

const pg = await startTestPostgres(t);
const SECRET = `whsec_${Buffer.alloc(32, 5).toString("base64")}`;
const SHOWS = 3;

function have<Value>(parsed: Parsed<Value>): Value {
  if (parsed.kind === "ok") return parsed.value;
  throw new Error(parsed.problem);
}

const types = have(parseEvents(EVENTS_DEFAULT));

interface Told {
  readonly node: TestNode;
  /** As kill -9 would, requests too. */
  kill(): Promise<void>;
}

async function startTold(t: Test, database: TestDatabase, nodeId: string, urls: readonly string[]): Promise<Told> {
  const webhooks = new Webhooks({
    endpoints: have(parseEndpoints(urls.join(" "))),
    keys: have(parseSecrets(SECRET)),
    types,
    giveUpMs: 86_400_000,
    now: wallClockMs,
    timers: systemTimers,
    random: Math.random,
    log: silentLog(),
    metrics: new Registry(),
  });
  const node = await startNode(t, database, nodeId, { sinks: webhooks.sinks });
  t.teardown(() => webhooks.close());
  const kill = async (): Promise<void> => {
    node.crash();
    await webhooks.close();
  };
  return { node, kill };
}

/** Two bookings a show, and a hold that is given back. */
async function trade(node: TestNode, showIds: readonly ShowId[], firstSeat: number): Promise<void> {
  for (const showId of showIds) {
    for (const offset of [0, 1, 2]) {
      const session = newSession();
      const hold = placeHold(bySeats(firstSeat + offset), session);
      const { id } = bookingIn(await askUntilAnswered(() => node.port, showId, hold));
      const end = offset < 2 ? confirm(id, session) : release(id, session);
      await askUntilAnswered(() => node.port, showId, end);
    }
  }
}

/** Ids of what the log says that webhooks want, show by show. */
async function inLog(database: TestDatabase): Promise<Map<string, string[]>> {
  const { rows } = await database.pool.query<{ show_id: string; seq: string; events: string }>(
    "SELECT show_id, seq, events FROM show_log ORDER BY show_id, seq",
  );
  const found = new Map<string, string[]>();
  for (const { show_id, seq, events } of rows) {
    const ids = (JSON.parse(events) as ShowEvent[]).flatMap((event, index) =>
      types.includes(NEWS_TYPE_OF[event.kind]) ? [`${show_id}:${seq}:${index}`] : [],
    );
    found.set(show_id, [...(found.get(show_id) ?? []), ...ids]);
  }
  return found;
}

/** What it took of a show, each once, in the order of its first time. */
const firstTimes = ({ taken }: Receiver, showId: string): string[] => [
  ...new Set(taken.filter((id) => id.startsWith(`${showId}:`))),
];

async function untilAllTaken(receiver: Receiver, expected: Map<string, string[]>): Promise<void> {
  const count = [...expected.values()].flat().length;
  await until("all of it is taken", () => new Set(receiver.taken).size >= count, 120_000);
}

t.test("over refusals, a killed node and a receiver that was away, all of it arrives in order", async (t) => {
  const database = await pg.freshDatabase();
  const showIds = await putOnSale(database.pool, { shows: SHOWS });
  const dice = new SeededRandom(7);
  const moods: readonly Reaction[] = [500, "drop", "drop_mid_answer", 503];
  const moody = await startReceiver(t, {
    secret: SECRET,
    react: () => (dice.below(100) < 20 ? dice.pick(moods) : 204),
  });
  const absent = await startReceiver(t, { secret: SECRET });
  await absent.stop();
  const urls = [moody.url, absent.url];

  const first = await startTold(t, database, "n1", urls);
  await trade(first.node, showIds, 0);
  await moody.requested(3);
  await first.kill();
  const second = await startTold(t, database, "n2", urls);
  await trade(second.node, showIds, 3);
  const expected = await inLog(database);
  t.equal([...expected.values()].flat().length, SHOWS * 4, "bookings, and nothing else of what happened");
  await untilAllTaken(moody, expected);

  const back = await startReceiver(t, { secret: SECRET, port: absent.port });
  await untilAllTaken(back, expected);
  await second.node.stop();
  for (const receiver of [moody, back]) {
    t.ok(receiver.requests.every(({ complaint }) => complaint === undefined));
    for (const showId of showIds) t.same(firstTimes(receiver, showId), expected.get(showId));
  }
  t.same(second.node.errors(), []);
});

t.test("the product tells the addresses of its settings, and ends while one of them says nothing", async (t) => {
  const database = await pg.freshDatabase();
  const [showId] = await putOnSale(database.pool);
  const receiver = await startReceiver(t, { secret: SECRET });
  const silent = await startReceiver(t, { secret: SECRET, react: () => "hang" });
  const product = await startProduct(t, await testFolder(t), {
    env: {
      DATABASE_URLS: database.url,
      PAYMENT_URL: "instant:",
      BOOKING_ATTEMPTS_PER_MIN: "0",
      WEBHOOK_URLS: `${receiver.url} ${silent.url}`,
      WEBHOOK_SECRET: SECRET,
      WEBHOOK_EVENTS: "hold.placed, booking.*",
    },
  });
  const headers: Record<string, string> = { "content-type": "application/json" };
  const post = async (path: string, body: object): Promise<Record<string, string>> => {
    const key = { "x-idempotency-key": path };
    const answer = await fetch(product.url + path, {
      method: "POST",
      headers: { ...headers, ...key },
      body: JSON.stringify(body),
    });
    return (await answer.json()) as Record<string, string>;
  };
  headers.authorization = `Bearer ${(await post("/v1/sessions", {})).token}`;
  const { lock_id } = await post("/v1/bookings/lock", { showtime_id: showId, quantity: 2 });
  await post("/v1/bookings/confirm", { lock_id, payment_token: "pm_card_visa" });
  await receiver.requested(2);
  await silent.requested(1);
  t.match(
    receiver.requests.map(({ news, complaint }) => ({ type: news.type, booking: news.data.booking_id, complaint })),
    [
      { type: "hold.placed", booking: lock_id, complaint: undefined },
      { type: "booking.confirmed", booking: lock_id, complaint: undefined },
    ],
  );
  const metrics = await (await fetch(`${product.url}/metrics`)).text();
  t.match(metrics, new RegExp(`usher_webhook_requests_total\\{.*127.0.0.1:${receiver.port}.*outcome="safe"\\} 2`));
  product.child.kill("SIGINT");
  const { code, stderr } = await product.ended;
  t.same({ code, stderr }, { code: 0, stderr: "" });
});

t.test("mistakes in the settings are said by name, all of them", async (t) => {
  const { code, stderr } = await usher(t, ["start"], {
    WEBHOOK_URLS: "https://good.example gopher://u:hidden@bad.example",
    WEBHOOK_SECRET: "whsec_hidden",
    WEBHOOK_EVENTS: "booking.*,hold.expire",
    WEBHOOK_GIVE_UP_S: "soon",
  }).ended;
  t.equal(code, 78);
  t.same(
    stderr
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0]),
    ["WEBHOOK_URLS", "WEBHOOK_SECRET", "WEBHOOK_EVENTS", "WEBHOOK_GIVE_UP_S"],
  );
  t.match(stderr, /address 2 .*\n.*\n.*did you mean "hold.expired"/);
  t.notMatch(stderr, "hidden");
});
