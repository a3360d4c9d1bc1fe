// Goal: an endpoint hears each news in order, signed so that others can verify it, and whatever it does hurts nobody
// but itself. Method: real HTTP servers that behave in every bad way; time is told by hand where minutes would pass.

import { pino } from "pino";
import { Registry } from "prom-client";
import t, { type Test } from "tap";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { systemTimers, type Timers } from "../../shared/platform/timers.ts";
import { wallClockMs } from "../../shared/platform/wall-clock.ts";
import { NEWS_TYPES, type News } from "../../shared/protocol/show-news.ts";
import { ManualTimers } from "../../test/harness/manual-timers.ts";
import { type Reaction, startReceiver } from "../../test/harness/webhook-receiver.ts";
import { type Endpoint, parseEndpoints } from "./endpoint.ts";
import { GONE_PAUSE_MS, REQUESTS_MAX, WAIT_MAX_MS } from "./gate.ts";
import { webhookMeters } from "./metrics.ts";
import { ATTEMPTS_MIN, SPAN_MIN_MS } from "./refused-news.ts";
import { WebhookSink, type WebhookSinkOptions } from "./webhook-sink.ts";

const DAY_MS = 24 * 3_600_000;
const KEY = Buffer.alloc(32, 7);
const SECRET = `whsec_${KEY.toString("base64")}`;

function newsOf(showId: string, seq: number, time = wallClockMs()): News {
  return {
    specversion: "1.0",
    id: `${showId}:${seq}:0`,
    source: "/usher",
    type: "booking.confirmed",
    subject: `${showId}.0123456789abcdefghijkl`,
    time: new Date(time).toISOString(),
    datacontenttype: "application/json",
    data: { show_id: showId as ShowId, seats: ["F12", "Ä1"], total: 2400, currency: "EUR" },
  };
}

const someNews = (showId: string, count: number): News[] =>
  Array.from({ length: count }, (_, index) => newsOf(showId, index + 1));

function endpointOf(url: string): Endpoint {
  const parsed = parseEndpoints(url);
  if (parsed.kind === "ok" && parsed.value[0] !== undefined) return parsed.value[0];
  throw new Error("no endpoint");
}

function sinkTo(t: Test, url: string, options: Partial<WebhookSinkOptions> = {}): WebhookSink {
  const sink = new WebhookSink({
    endpoint: endpointOf(url),
    keys: [KEY],
    types: NEWS_TYPES,
    giveUpMs: DAY_MS,
    now: wallClockMs,
    timers: systemTimers,
    random: () => 0.5,
    log: silentLog(),
    metersOf: webhookMeters(new Registry()),
    ...options,
  });
  t.teardown(() => sink.close());
  return sink;
}

/** System timers that wait a hundredth of the time: pauses pass, and are still pauses. */
const hastyTimers: Timers = {
  ...systemTimers,
  setTimeout: (callback, delayMs) => systemTimers.setTimeout(callback, delayMs / 100),
};

/** What the relay does, without its pauses: tells again what is not safe. Answers how often it had to. */
async function relay(sink: WebhookSink, news: readonly News[]): Promise<number> {
  let [safe, repeats] = [0, -1];
  while (safe < news.length) {
    repeats++;
    safe += await sink.tell(news.slice(safe)).catch(() => 0);
  }
  return repeats;
}

const idsOf = (news: readonly News[]): string[] => news.map(({ id }) => id);

t.test("each news is a request of its own, signed as Standard Webhooks says", async (t) => {
  const receiver = await startReceiver(t, { secret: SECRET });
  const sink = sinkTo(t, receiver.url.replace("http://", "http://ann:s%40cret@"));
  const news = someNews("s1", 3);
  t.equal(await sink.tell(news), 3);
  t.same(idsOf(receiver.requests.map((request) => request.news)), idsOf(news));
  for (const [index, { complaint, headers, body, path }] of receiver.requests.entries()) {
    t.equal(complaint, undefined);
    t.equal(body, JSON.stringify(news[index]));
    t.equal(path, "/hook");
    t.match(headers, {
      "content-type": "application/cloudevents+json",
      "webhook-id": news[index]?.id,
      authorization: `Basic ${Buffer.from("ann:s@cret").toString("base64")}`,
    });
  }
  t.equal(receiver.connectionsMade(), 1, "one connection for all three");
  t.equal(await sink.tell([]), 0);
});

t.test("a secret is replaced without a gap: all that are set sign", async (t) => {
  const [old, next, foreign] = [7, 8, 9].map((fill) => Buffer.alloc(32, fill));
  const secretOf = (key: Buffer | undefined): string => `whsec_${key?.toString("base64")}`;
  const keys = [next, old].flatMap((key) => key ?? []);
  const complaints: (string | undefined)[] = [];
  for (const key of [old, next, foreign]) {
    const receiver = await startReceiver(t, { secret: secretOf(key) });
    await sinkTo(t, receiver.url, { keys }).tell([newsOf("s1", 1)]);
    complaints.push(receiver.requests[0]?.complaint);
  }
  t.same(complaints, [undefined, undefined, "No matching signature found"]);
});

t.test("the signature is of the attempt's time: one from yesterday verifies no more", async (t) => {
  const receiver = await startReceiver(t, { secret: SECRET });
  await sinkTo(t, receiver.url, { now: () => wallClockMs() - DAY_MS }).tell([newsOf("s1", 1)]);
  t.match(receiver.requests[0]?.complaint, /too old/);
});

t.test("order holds, whatever fails in between", async (t) => {
  const dice = new SeededRandom(20);
  const random = (): number => dice.bits() / 2 ** 32;
  const bad: readonly Reaction[] = [500, 404, 302, "drop", "drop_mid_answer", "babble", 503, 429, "hang"];
  const receiver = await startReceiver(t, {
    secret: SECRET,
    react: () => (random() < 0.4 ? (bad[Math.floor(random() * bad.length)] ?? 500) : 204),
  });
  const sink = sinkTo(t, receiver.url, { timeoutMs: 30_000, timers: hastyTimers });
  const shows = ["s1", "s2", "s3"].map((showId) => someNews(showId, 20));
  const repeats = await Promise.all(shows.map((news) => relay(sink, news)));
  t.ok(
    repeats.every((count) => count > 0),
    "some of it had to be told again",
  );
  for (const [index, news] of shows.entries()) {
    // On a slow day an answer may come too late: then its news is taken twice, and nothing in between.
    const taken = receiver.taken.filter((id) => id.startsWith(`s${index + 1}:`));
    t.same(
      taken.filter((id, at) => id !== taken[at - 1]),
      idsOf(news),
    );
  }
  t.ok(receiver.requests.every(({ complaint }) => complaint === undefined));
});

t.test("what is safe before a failure is answered; the failed one is not passed over", async (t) => {
  const receiver = await startReceiver(t, { secret: SECRET, react: ({ news }) => (news.id === "s1:3:0" ? 500 : 200) });
  const sink = sinkTo(t, receiver.url);
  const news = someNews("s1", 5);
  t.equal(await sink.tell(news), 2);
  await t.rejects(sink.tell(news.slice(2)), { message: "status 500" });
  t.same(receiver.taken, ["s1:1:0", "s1:2:0"]);
});

t.test("redirects are not followed", async (t) => {
  const other = await startReceiver(t, { secret: SECRET });
  for (const status of [301, 302, 303, 307, 308]) {
    const receiver = await startReceiver(t, {
      secret: SECRET,
      react: () => ({ status, headers: { location: other.url } }),
    });
    await t.rejects(sinkTo(t, receiver.url).tell([newsOf("s1", 1)]), { message: `status ${status}` });
  }
  t.equal(other.requests.length, 0);
});

t.test("an endpoint that never answers is bounded, and keeps no other waiting", async (t) => {
  const hanging = await startReceiver(t, { secret: SECRET, react: () => "hang" });
  const healthy = await startReceiver(t, { secret: SECRET });
  const timers = new ManualTimers();
  const stuck = sinkTo(t, hanging.url, { timers });
  const ends = Array.from({ length: 30 }, (_, index) =>
    stuck.tell([newsOf(`s${index}`, 1)]).catch((error: Error) => error.message),
  );
  await hanging.requested(REQUESTS_MAX);
  const well = sinkTo(t, healthy.url);
  for (let show = 0; show < 30; show++) t.equal(await well.tell(someNews(`s${show}`, 2)), 2);
  t.equal(healthy.taken.length, 60);
  t.equal(hanging.requests.length, REQUESTS_MAX, "no more than that while nobody gave up");
  timers.advance(10_000);
  const reasons = await Promise.all(ends);
  t.same([...new Set(reasons)].sort(), ["no answer in time", "the endpoint is paused or busy"]);
  t.equal(reasons.filter((reason) => reason === "no answer in time").length, REQUESTS_MAX);
  t.equal(hanging.peak.connections, REQUESTS_MAX);
  await hanging.deserted();
});

t.test("an answer is read to a bound: 2xx is what counts of it", async (t) => {
  const endless = await startReceiver(t, { secret: SECRET, react: () => "endless" });
  t.equal(await sinkTo(t, endless.url).tell([newsOf("s1", 1)]), 1);
  await endless.deserted();

  const trickle = await startReceiver(t, { secret: SECRET, react: () => "trickle" });
  // Its head must have come: on a slow day that takes longer than the first of these.
  let safe = 0;
  for (let timeoutMs = 100; safe === 0 && timeoutMs < 30_000; timeoutMs *= 2) {
    safe = await sinkTo(t, trickle.url, { timeoutMs })
      .tell([newsOf("s1", 1)])
      .catch(() => 0);
  }
  t.equal(safe, 1);
  await trickle.deserted();
});

t.test("a receiver that dies in the middle of its answer is told again", async (t) => {
  const receiver = await startReceiver(t, {
    secret: SECRET,
    react: (_, index) => (index === 0 ? "drop_mid_answer" : index === 1 ? "drop" : 204),
  });
  const sink = sinkTo(t, receiver.url);
  const news = [newsOf("s1", 1)];
  await t.rejects(sink.tell(news), { message: "status 200, cut off" });
  await t.rejects(sink.tell(news));
  t.equal(await sink.tell(news), 1);
});

t.test("a kept connection that the receiver closed is replaced at once", async (t) => {
  const receiver = await startReceiver(t, { secret: SECRET });
  const sink = sinkTo(t, receiver.url);
  for (let seq = 1; seq <= 20; seq++) {
    t.equal(await sink.tell([newsOf("s1", seq)]), 1);
    receiver.closeIdle();
  }
  t.equal(new Set(receiver.taken).size, 20);
});

t.test("nobody there: the endpoint is left alone, and told when it is back", async (t) => {
  const first = await startReceiver(t, { secret: SECRET });
  await first.stop();
  const timers = new ManualTimers();
  const metrics = new Registry();
  const sink = sinkTo(t, first.url, { timers, metersOf: webhookMeters(metrics) });
  await t.rejects(sink.tell([newsOf("s1", 1)]), { message: "ECONNREFUSED" });
  const again = await startReceiver(t, { secret: SECRET, port: first.port });
  const early = sink.tell([newsOf("s1", 1)]);
  t.match(await metrics.getSingleMetricAsString("usher_webhook_paused"), /} 1$/m);
  timers.advance(500);
  t.equal(await early, 1, "who waits at the gate goes first");
  t.match(await metrics.getSingleMetricAsString("usher_webhook_paused"), /} 0$/m);
  t.same(again.taken, ["s1:1:0"]);
});

t.test("an address that speaks no TLS is away: no news is given up for it", async (t) => {
  const receiver = await startReceiver(t, { secret: SECRET });
  const metrics = new Registry();
  const sink = sinkTo(t, receiver.url.replace("http:", "https:"), { metersOf: webhookMeters(metrics) });
  await t.rejects(sink.tell([newsOf("s1", 1)]));
  t.match(await metrics.getSingleMetricAsString("usher_webhook_requests_total"), /outcome="away"} 1$/m);
  t.equal(receiver.requests.length, 0);
});

t.test("Retry-After is honoured: nothing is sent before", async (t) => {
  const receiver = await startReceiver(t, {
    secret: SECRET,
    react: (_, index) => (index === 0 ? { status: 429, headers: { "retry-after": "60" } } : 204),
  });
  const timers = new ManualTimers();
  const sink = sinkTo(t, receiver.url, { timers });
  await t.rejects(sink.tell([newsOf("s1", 1)]), { message: "status 429" });
  const early = sink.tell([newsOf("s2", 1)]);
  timers.advance(WAIT_MAX_MS);
  await t.rejects(early, { message: "the endpoint is paused or busy" });
  timers.advance(59_999 - WAIT_MAX_MS);
  const late = sink.tell([newsOf("s2", 1)]);
  t.equal(receiver.requests.length, 1);
  timers.advance(1);
  t.equal(await late, 1);
  t.equal(await sink.tell([newsOf("s1", 1)]), 1);
});

t.test("gone: said as an error, looked at once an hour, and nothing is lost if it was a slip", async (t) => {
  const receiver = await startReceiver(t, { secret: SECRET, react: (_, index) => (index < 2 ? 410 : 204) });
  const timers = new ManualTimers();
  const { log, lines } = logged();
  const sink = sinkTo(t, receiver.url, { timers, log });
  const old = newsOf("s1", 1, wallClockMs() - 30 * DAY_MS);
  for (let hour = 0; hour < 2; hour++) {
    await t.rejects(sink.tell([old]), { message: "status 410" });
    const early = Array.from({ length: 5 }, (_, index) => sink.tell([newsOf(`s${index}`, 1)]).catch(() => 0));
    timers.advance(WAIT_MAX_MS);
    t.same(await Promise.all(early), [0, 0, 0, 0, 0]);
    t.equal(receiver.requests.length, hour + 1);
    timers.advance(GONE_PAUSE_MS - WAIT_MAX_MS);
  }
  t.equal(await sink.tell([old]), 1);
  t.equal(lines.filter((line) => line.includes('"level":50') && line.includes("gone")).length, 2);
});

t.test("what is refused for long enough is given up, said and counted; the next goes on", async (t) => {
  const receiver = await startReceiver(t, { secret: SECRET, react: ({ news }) => (news.id === "s1:1:0" ? 500 : 200) });
  const metrics = new Registry();
  const { log, lines } = logged();
  const clock = { now: wallClockMs() };
  const begunAt = clock.now;
  const sink = sinkTo(t, receiver.url, { now: () => clock.now, log, metersOf: webhookMeters(metrics) });
  const news = [newsOf("s1", 1, begunAt), newsOf("s1", 2, begunAt)];
  for (let i = 0; i < ATTEMPTS_MIN; i++) await t.rejects(sink.tell(news), { message: "status 500" });
  clock.now = begunAt + DAY_MS - 1;
  await t.rejects(sink.tell(news));
  t.match(await metrics.getSingleMetricAsString("usher_webhook_given_up_total"), /} 0$/m);
  clock.now = begunAt + DAY_MS;
  t.equal(await sink.tell(news), 2);
  t.same(receiver.taken, ["s1:2:0"]);
  t.match(await metrics.getSingleMetricAsString("usher_webhook_given_up_total"), /} 1$/m);
  const said = lines.filter((line) => line.includes("given up"));
  t.equal(said.length, 1);
  t.match(said[0], /"level":50.*"news":"s1:1:0"/);
});

t.test("after a restart old news is not given up for one unlucky attempt", async (t) => {
  const receiver = await startReceiver(t, { secret: SECRET, react: () => "drop" });
  const clock = { now: wallClockMs() };
  const sink = sinkTo(t, receiver.url, { now: () => clock.now });
  const old = newsOf("s1", 1, clock.now - 3 * DAY_MS);
  for (let i = 0; i < ATTEMPTS_MIN; i++) await t.rejects(sink.tell([old]));
  clock.now += SPAN_MIN_MS;
  t.equal(await sink.tell([old]), 1);
});

t.test("close breaks off what is under way, and leaves no connection", async (t) => {
  const receiver = await startReceiver(t, { secret: SECRET, react: (_, index) => (index < 3 ? 204 : "hang") });
  const sink = sinkTo(t, receiver.url);
  await sink.tell(someNews("s0", 3));
  const ends = Array.from({ length: REQUESTS_MAX + 4 }, (_, index) =>
    sink.tell(someNews(`s${index}`, 2)).catch((error: Error) => error.message),
  );
  await receiver.requested(3 + REQUESTS_MAX);
  await sink.close();
  t.same(await Promise.all(ends), Array(REQUESTS_MAX + 4).fill("closed"));
  await t.rejects(sink.tell([newsOf("s1", 1)]), { message: "closed" });
  await receiver.deserted();
  t.equal(receiver.requests.length, 3 + REQUESTS_MAX);

  const idle = await startReceiver(t, { secret: SECRET });
  const done = sinkTo(t, idle.url);
  t.equal(await done.tell([newsOf("s1", 1)]), 1);
  t.equal(idle.connectionsMade(), 1);
  await done.close();
  await idle.deserted();
});

t.test("nothing that lets one in is logged or counted by name", async (t) => {
  const receiver = await startReceiver(t, { secret: SECRET, react: () => 500 });
  await receiver.stop();
  const away = endpointOf(`http://ann:hunter2@127.0.0.1:${receiver.port}/T00/tok3n?key=q3`);
  const refusing = await startReceiver(t, { secret: SECRET, react: () => 500 });
  const bad = endpointOf(`http://ann:hunter2@127.0.0.1:${refusing.port}/T00/tok3n?key=q3`);
  const metrics = new Registry();
  const metersOf = webhookMeters(metrics);
  const { log, lines } = logged();
  for (const endpoint of [away, bad]) {
    const sink = sinkTo(t, "http://unused.example", { endpoint, log, metersOf });
    await t.rejects(sink.tell([newsOf("s1", 1)]));
  }
  t.equal(refusing.requests[0]?.path, "/T00/tok3n?key=q3");
  const all = `${lines.join("\n")}${await metrics.metrics()}`;
  t.match(all, bad.name);
  t.match(all, `127.0.0.1:${refusing.port}`);
  t.notMatch(all, /hunter2|tok3n|q3|BwcH|Basic/);
});

function logged(): { log: WebhookSinkOptions["log"]; lines: string[] } {
  const lines: string[] = [];
  return { log: pino({ level: "trace" }, { write: (line: string) => void lines.push(line) }), lines };
}
