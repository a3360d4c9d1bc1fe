// Goal: whatever happens to NATS, to a relay or to the stream, each show's news is in the stream once and in the order of
// its log. Method: a real server that is killed, frozen, filled and emptied, and several sinks at once, as after a crash
// or when an old owner wakes up late. What is stored is compared with what was told.

import { DiscardPolicy, nanos, StorageType } from "nats";
import t, { type Test } from "tap";
import { JetStreamSink } from "../../allocator/news/jetstream-sink.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { NatsLink } from "../../shared/platform/nats.ts";
import { NEWS_STREAM, newsSubjectOf } from "../../shared/platform/nats-news-stream.ts";
import { until } from "../harness/allocator.ts";
import type { TestServer } from "../harness/native-server.ts";
import { linkTo, startTestNats } from "../harness/nats.ts";
import { idsOf, newsOf, show, storedIn, tellAll } from "../harness/news.ts";

const DAY_MS = 86_400_000;

async function sinkOn(t: Test, nats: TestServer): Promise<{ sink: JetStreamSink; link: NatsLink }> {
  const link = await linkTo(t, nats.url);
  return { sink: new JetStreamSink({ link, maxAgeMs: DAY_MS, log: silentLog() }), link };
}

const manager = (link: NatsLink) => link.connection().jetstreamManager();
const storedIds = async (link: NatsLink): Promise<string[]> => (await storedIn(link.connection())).map(({ id }) => id);

t.test("a show's news, as CloudEvents on its subject; told again it is there already", async (t) => {
  const nats = await startTestNats(t);
  const { sink, link } = await sinkOn(t, nats);
  const news = newsOf(show("s-1"), 30, "booking.confirmed");
  t.equal(await sink.tell([]), 0);
  t.equal(await sink.tell(news), 30);
  const stored = await storedIn(link.connection());
  t.same(
    stored.map(({ body }) => body),
    news,
  );
  t.match(stored[0], { subject: "usher.news.s-1", id: "s-1:1:0", type: "booking.confirmed" });
  const { config } = await (await manager(link)).streams.info(NEWS_STREAM);
  t.match(config, { storage: "file", max_age: nanos(DAY_MS), duplicate_window: nanos(120_000) });
  t.equal(await sink.tell(news), 30);
  const { sink: next } = await sinkOn(t, nats);
  t.equal(await next.tell(news.slice(10)), 20, "nor does one that knows nothing, as after a crash");
  t.equal((await storedIds(link)).length, 30);
});

t.test("long after the server has forgotten the ids", async (t) => {
  const nats = await startTestNats(t);
  const { sink, link } = await sinkOn(t, nats);
  const news = newsOf(show("s-1"), 10);
  await sink.tell(news);
  const jsm = await manager(link);
  await jsm.streams.update(NEWS_STREAM, { duplicate_window: nanos(100) });
  const publish = (msgID: string) => link.connection().jetstream().publish("usher.news.clock", "", { msgID });
  await publish("tick");
  await until("an id counts as new again", async () => !(await publish("tick")).duplicate);
  await jsm.streams.purge(NEWS_STREAM, { filter: "usher.news.clock" });
  const { sink: next } = await sinkOn(t, nats);
  await next.tell(newsOf(show("s-1"), 12).slice(4));
  t.same(await storedIds(link), idsOf(newsOf(show("s-1"), 12)));
});

t.test("several at once, as when an old owner wakes up: once each, in order", async (t) => {
  const nats = await startTestNats(t);
  const shows = Array.from({ length: 5 }, (_, i) => newsOf(show(`s-${i}`), 120));
  const [first] = shows;
  const sinks = await Promise.all([sinkOn(t, nats), sinkOn(t, nats), sinkOn(t, nats)]);
  await Promise.all(
    sinks.flatMap(({ sink }, s) =>
      shows.map(async (news) => {
        // One late, one in great steps, one in small ones.
        await tellAll(sink, news, { batchMax: [7, 50, 1][s] ?? 1 });
      }),
    ),
  );
  const [one] = sinks;
  if (one === undefined || first === undefined) return;
  const stored = await storedIn(one.link.connection());
  t.equal(stored.length, 600);
  for (const news of shows) {
    const subject = newsSubjectOf(news[0]?.data.show_id ?? "");
    t.same(
      stored.filter((each) => each.subject === subject).map(({ id }) => id),
      idsOf(news),
    );
  }
});

t.test("NATS is killed again and again: nothing is lost, nothing comes twice", async (t) => {
  const nats = await startTestNats(t);
  const { sink, link } = await sinkOn(t, nats);
  const shows = Array.from({ length: 8 }, (_, i) => newsOf(show(`s-${i}`), 400));
  let faults = 0;
  let areDone = false;
  const told = Promise.all(shows.map((news) => tellAll(sink, news, { batchMax: 20, onFault: () => faults++ }))).then(
    () => {
      areDone = true;
    },
  );
  for (let kills = 0; kills < 3 && !areDone; kills++) {
    const before = faults;
    await nats.kill();
    await until("somebody noticed", () => faults > before || areDone);
    await nats.start();
    await until("it goes on", () => link.status === "connected");
  }
  await told;
  const stored = await storedIn(link.connection());
  t.ok(faults > 0, "it was killed in the middle");
  for (const news of shows) {
    const subject = newsSubjectOf(news[0]?.data.show_id ?? "");
    t.same(
      stored.filter((each) => each.subject === subject).map(({ id }) => id),
      idsOf(news),
    );
  }
});

t.test("a frozen server: refused within seconds; what was on its way does no harm later", async (t) => {
  const nats = await startTestNats(t);
  t.teardown(async () => nats.thaw());
  const { sink, link } = await sinkOn(t, nats);
  const news = newsOf(show("s-1"), 10);
  await sink.tell(news.slice(0, 4));
  nats.freeze();
  const began = performance.now();
  await t.rejects(sink.tell(news.slice(4)), { name: "NatsFault", code: "away" });
  t.ok(performance.now() - began < 10_000);
  nats.thaw();
  await until("it is back", () => link.status === "connected");
  await tellAll(sink, news.slice(4));
  t.same(await storedIds(link), idsOf(news));
});

t.test("the stream's last messages are purged, or all of it: it goes on from what is known", async (t) => {
  const nats = await startTestNats(t);
  const { sink, link } = await sinkOn(t, nats);
  const news = newsOf(show("s-1"), 12);
  await sink.tell(news.slice(0, 6));
  const jsm = await manager(link);
  const { state } = await jsm.streams.info(NEWS_STREAM);
  await jsm.streams.deleteMessage(NEWS_STREAM, state.last_seq);
  t.equal(await sink.tell(news.slice(0, 8)), 8);
  t.same(await storedIds(link), [...idsOf(news.slice(0, 5)), ...idsOf(news.slice(6, 8))], "what it stored it knows");
  await jsm.streams.purge(NEWS_STREAM);
  t.equal(await sink.tell(news.slice(4, 9)), 5);
  t.same(await storedIds(link), idsOf(news.slice(8, 9)));
  await jsm.streams.purge(NEWS_STREAM);
  const { sink: next } = await sinkOn(t, nats);
  t.equal(await next.tell(news.slice(9, 10)), 1, "who knows nothing tells what it is told");
  await jsm.streams.delete(NEWS_STREAM);
  await tellAll(sink, news.slice(0, 12));
  t.same(await storedIds(link), idsOf(news.slice(9)), "a stream that was deleted is made again");
});

t.test("a message that is not ours stops nothing", async (t) => {
  const nats = await startTestNats(t);
  const { sink, link } = await sinkOn(t, nats);
  const news = newsOf(show("s-1"), 4);
  await sink.tell(news.slice(0, 2));
  await link.connection().jetstream().publish(newsSubjectOf("s-1"), "hello");
  t.equal(await sink.tell(news), 4);
  const ids = (await (await manager(link)).streams.info(NEWS_STREAM)).state.messages;
  t.equal(ids, 5);
});

t.test("a full stream refuses, and goes on when there is room", async (t) => {
  const nats = await startTestNats(t);
  const { sink, link } = await sinkOn(t, nats);
  await sink.check();
  const jsm = await manager(link);
  await jsm.streams.update(NEWS_STREAM, { max_msgs: 3, discard: DiscardPolicy.New });
  const news = newsOf(show("s-1"), 6);
  t.equal(await sink.tell(news), 3, "as many as there was room for");
  await t.rejects(sink.tell(news.slice(3)), { message: /maximum messages exceeded/ });
  await jsm.streams.update(NEWS_STREAM, { max_msgs: -1 });
  await tellAll(sink, news.slice(3));
  t.same(await storedIds(link), idsOf(news));
});

t.test("a stream that is not ours is left alone, and named", async (t) => {
  const nats = await startTestNats(t);
  const { sink, link } = await sinkOn(t, nats);
  const jsm = await manager(link);
  await jsm.streams.add({ name: NEWS_STREAM, subjects: ["usher.news.>"], storage: StorageType.Memory });
  await t.rejects(sink.check(), { name: "StartFault", code: "news_stream", message: /not kept in files/ });
  await t.rejects(sink.tell(newsOf(show("s-1"), 1)), { code: "news_stream" });
  await jsm.streams.delete(NEWS_STREAM);
  await jsm.streams.add({ name: "OTHER", subjects: ["usher.>"] });
  await t.rejects(sink.check(), { name: "StartFault", code: "news_stream", message: /Another stream/ });
  await jsm.streams.delete("OTHER");
  t.equal(await sink.tell(newsOf(show("s-1"), 1)), 1);
  await jsm.streams.update(NEWS_STREAM, { max_age: nanos(3_600_000) });
  await (await sinkOn(t, nats)).sink.check();
  t.equal((await jsm.streams.info(NEWS_STREAM)).config.max_age, nanos(DAY_MS), "its age is what the setting says");
});
