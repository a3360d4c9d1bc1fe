// Goal: a sink behind JetStream hears every news from the day it was first there, each show's in order, whatever dies:
// the process, NATS, the sink's patience. Method: real servers; sinks that write down what they hear, refuse, take a part,
// or never answer; several consumers that share a durable as several processes do. A repetition is allowed, the first
// hearings must be exactly what was published, in its order.

import t, { type Test } from "tap";
import { JetStreamSink } from "../../allocator/news/jetstream-sink.ts";
import { ensureNewsConsumer } from "../../notifier/consumer-session.ts";
import { durableOf, NewsConsumer, type NewsConsumerOptions } from "../../notifier/from-jetstream.ts";
import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { NEWS_STREAM, newsSubjectOf } from "../../shared/platform/nats-news-stream.ts";
import { systemTimers } from "../../shared/platform/timers.ts";
import type { News, NewsSink, NewsType } from "../../shared/protocol/show-news.ts";
import { until } from "../harness/allocator.ts";
import type { TestServer } from "../harness/native-server.ts";
import { linkTo, startTestNats } from "../harness/nats.ts";
import { idsOf, newsOf, show, tellAll } from "../harness/news.ts";

const MAX_AGE_MS = 86_400_000;
const ACK_WAIT_MS = 2_000;

/** Hears; `answer` decides how much of a call was safe. */
class Ear implements NewsSink {
  readonly name = "ear";
  readonly heard: News[] = [];
  overlaps = 0;
  readonly #calls = new Set<string>();
  readonly #answer: (news: readonly News[]) => number | Promise<number>;
  readonly #wanted: readonly NewsType[] | undefined;

  constructor(
    answer: (news: readonly News[]) => number | Promise<number> = (news) => news.length,
    wanted?: NewsType[],
  ) {
    this.#answer = answer;
    this.#wanted = wanted;
  }

  wants(type: NewsType): boolean {
    return this.#wanted?.includes(type) ?? true;
  }

  async tell(news: readonly News[]): Promise<number> {
    const showId = news[0]?.data.show_id ?? "";
    if (this.#calls.has(showId)) this.overlaps++;
    this.#calls.add(showId);
    try {
      const safe = await this.#answer(news);
      this.heard.push(...news.slice(0, safe));
      return safe;
    } finally {
      this.#calls.delete(showId);
    }
  }

  /** Of one show, each for the first time. */
  firsts(showId: string): string[] {
    return [...new Set(this.heard.filter(({ data }) => data.show_id === showId).map(({ id }) => id))];
  }
}

interface Stage {
  readonly nats: TestServer;
  readonly publish: (news: readonly News[]) => Promise<void>;
  readonly consumer: (sink: NewsSink, options?: Partial<NewsConsumerOptions>) => Promise<NewsConsumer>;
  /** `consumer`, at work. */
  readonly listen: (sink: NewsSink, options?: Partial<NewsConsumerOptions>) => Promise<NewsConsumer>;
}

/** With the durable there, so that nothing is before the beginning. */
async function stage(t: Test): Promise<Stage> {
  const nats = await startTestNats(t);
  const link = await linkTo(t, nats.url);
  const jetstream = new JetStreamSink({ link, maxAgeMs: MAX_AGE_MS, log: silentLog() });
  const consumer: Stage["consumer"] = async (sink, options = {}) => {
    const all = {
      link: await linkTo(t, nats.url),
      sink,
      maxAgeMs: MAX_AGE_MS,
      ackWaitMs: ACK_WAIT_MS,
      timers: systemTimers,
      random: Math.random,
      log: silentLog(),
      ...options,
    };
    await ensureNewsConsumer(all.link.connection(), durableOf(all));
    const made = new NewsConsumer(all);
    t.teardown(() => made.stop());
    return made;
  };
  const listen: Stage["listen"] = async (sink, options) => {
    const made = await consumer(sink, options);
    made.start();
    return made;
  };
  return { nats, publish: (news) => tellAll(jetstream, news), consumer, listen };
}

const heardAll = (ear: Ear, shows: readonly (readonly News[])[]): boolean =>
  shows.every((news) => ear.firsts(news[0]?.data.show_id ?? "").length >= news.length);

function sameOrder(t: Test, ear: Ear, shows: readonly (readonly News[])[]): void {
  for (const news of shows) t.same(ear.firsts(news[0]?.data.show_id ?? ""), idsOf(news));
  t.equal(ear.overlaps, 0, "one call a show at a time");
}

t.test("begins with the present, stops, and goes on where it was", async (t) => {
  const { publish, listen } = await stage(t);
  const news = newsOf(show("s-1"), 12);
  await publish(news.slice(0, 3));
  const ear = new Ear();
  const first = await listen(ear);
  await publish(news.slice(3, 7));
  await until("the first has heard", () => ear.heard.length >= 4);
  await Promise.all([first.stop(), first.stop()]);
  await publish(news.slice(7));
  t.equal(ear.heard.length, 4, "who has stopped hears nothing");
  await listen(ear);
  await until("the next has heard the rest", () => ear.heard.length >= 9);
  t.same(idsOf(ear.heard), idsOf(news.slice(3)), "each once");
});

t.test("only what is wanted", async (t) => {
  const { publish, listen } = await stage(t);
  const ear = new Ear(undefined, ["booking.confirmed"]);
  await listen(ear);
  const types: NewsType[] = ["hold.placed", "booking.confirmed", "payment.captured"];
  const news = newsOf(show("s-1"), 30).map((each, i) => ({ ...each, type: types[i % 3] ?? "hold.placed" }));
  await publish(news);
  await until("it heard them", () => ear.heard.length >= 10);
  t.same(idsOf(ear.heard), idsOf(news.filter(({ type }) => type === "booking.confirmed")));
});

t.test("a sink that refuses, takes a part, and is slow", async (t) => {
  const { publish, listen } = await stage(t);
  const dice = new SeededRandom(11);
  const random = (): number => dice.below(1000) / 1000;
  const ear = new Ear((news) => {
    const luck = random();
    if (luck < 0.2) throw new Error("not now");
    return luck < 0.4 ? Math.floor(random() * news.length) : news.length;
  });
  await listen(ear);
  const shows = Array.from({ length: 6 }, (_, i) => newsOf(show(`s-${i}`), 60));
  await Promise.all(shows.map(publish));
  await until("all is heard", () => heardAll(ear, shows), 120_000);
  sameOrder(t, ear, shows);
});

t.test("a show whose news nobody takes holds up no other", async (t) => {
  const { publish, listen } = await stage(t);
  let isBroken = true;
  const ear = new Ear((news) => {
    if (isBroken && news[0]?.data.show_id === "bad") throw new Error("never");
    return news.length;
  });
  const first = await listen(ear);
  const [bad, good] = [newsOf(show("bad"), 20), newsOf(show("good"), 40)];
  await publish(bad);
  await publish(good.slice(0, 20));
  await until("the good one is heard", () => ear.firsts("good").length === 20);
  await first.stop();
  await publish(good.slice(20));
  await listen(ear);
  await until("also by one who did not tell the beginning", () => ear.firsts("good").length === 40);
  t.same(ear.firsts("bad"), []);
  isBroken = false;
  await until("and the bad one in the end", () => ear.firsts("bad").length === 20, 60_000);
  sameOrder(t, ear, [bad, good]);
});

t.test("several share the work", async (t) => {
  const { publish, listen } = await stage(t);
  const ear = new Ear();
  const shares = [0, 0, 0];
  for (const i of shares.keys()) {
    await listen({
      name: ear.name,
      wants: () => true,
      tell: (news) => {
        shares[i] = (shares[i] ?? 0) + 1;
        return ear.tell(news);
      },
    });
  }
  const shows = Array.from({ length: 6 }, (_, i) => newsOf(show(`s-${i}`), 40));
  await Promise.all(shows.map(publish));
  await until("all is heard", () => heardAll(ear, shows), 120_000);
  sameOrder(t, ear, shows);
  t.ok(shares.filter((calls) => calls > 0).length > 1, `calls: ${shares.join(", ")}`);
});

t.test("a process dies with news in hand: the others wait for it to come back", async (t) => {
  const { nats, publish, consumer, listen } = await stage(t);
  const doomed = await linkTo(t, nats.url);
  let hasBegun = false;
  const never = new Ear(() => {
    hasBegun = true;
    return new Promise<number>(() => undefined);
  });
  const dying = await consumer(never, { link: doomed });
  dying.start();
  const news = newsOf(show("s-1"), 9);
  await publish(news.slice(0, 3));
  await until("it has news in hand", () => hasBegun);
  // As kill -9 would: the connection is gone, nothing is given back.
  await doomed.stop();
  const ear = new Ear();
  await listen(ear);
  await publish(news.slice(3));
  await until("all is heard", () => ear.firsts("s-1").length >= 9, 60_000);
  sameOrder(t, ear, [news]);
});

t.test("a sink that takes longer than the server waits is not asked twice", async (t) => {
  const { publish, listen } = await stage(t);
  let calls = 0;
  let answer: (safe: number) => void = () => undefined;
  const ear = new Ear((news) => {
    calls++;
    return new Promise<number>((resolve) => {
      answer = () => resolve(news.length);
    });
  });
  const ackWaitMs = 600;
  // Two, so that the server has somebody else to give it to.
  await listen(ear, { ackWaitMs });
  await listen(ear, { ackWaitMs });
  await publish(newsOf(show("s-1"), 1));
  await until("it is asked", () => calls === 1);
  const since = performance.now();
  await until("the server's wait is over, several times", () => performance.now() - since > 4 * ackWaitMs);
  t.equal(calls, 1);
  answer(1);
  await publish(newsOf(show("s-1"), 2).slice(1));
  await until("it goes on", () => calls === 2);
  answer(1);
  await until("it is heard", () => ear.heard.length === 2);
  t.same(idsOf(ear.heard), idsOf(newsOf(show("s-1"), 2)));
});

t.test("NATS is killed again and again", async (t) => {
  const { nats, publish, listen } = await stage(t);
  const ear = new Ear();
  await listen(ear);
  const shows = Array.from({ length: 4 }, (_, i) => newsOf(show(`s-${i}`), 200));
  let isPublished = false;
  const published = Promise.all(shows.map(publish)).then(() => {
    isPublished = true;
  });
  for (let kills = 0; kills < 3 && !isPublished; kills++) {
    const before = ear.heard.length;
    await until("something is heard", () => ear.heard.length > before || isPublished);
    await nats.kill();
    await nats.start();
  }
  await published;
  await until("all is heard", () => heardAll(ear, shows), 90_000);
  sameOrder(t, ear, shows);
});

t.test("what is gone from the stream, or never was news, stops nothing", async (t) => {
  const { nats, publish, consumer } = await stage(t);
  const ear = new Ear();
  const sleeping = await consumer(ear);
  const link = await linkTo(t, nats.url);
  const news = newsOf(show("s-1"), 6);
  await publish(news.slice(0, 3));
  const jsm = await link.connection().jetstreamManager();
  const { state } = await jsm.streams.info(NEWS_STREAM);
  await jsm.streams.deleteMessage(NEWS_STREAM, state.last_seq - 1);
  await link.connection().jetstream().publish(newsSubjectOf("s-1"), "{");
  await publish(news.slice(3));
  sleeping.start();
  await until("the rest is heard", () => ear.heard.length >= 5);
  t.same(idsOf(ear.heard), idsOf([...news.slice(0, 1), ...news.slice(2)]));
});

t.test("stream and consumer are deleted: both are made again, and it goes on", async (t) => {
  const { nats, publish, listen } = await stage(t);
  const ear = new Ear();
  await listen(ear);
  const news = newsOf(show("s-1"), 40);
  await publish(news.slice(0, 20));
  await until("the first part is heard", () => ear.heard.length >= 20);
  const link = await linkTo(t, nats.url);
  const jsm = await link.connection().jetstreamManager();
  await jsm.streams.delete(NEWS_STREAM);
  const isThere = () =>
    jsm.consumers.info(NEWS_STREAM, "ear").then(
      () => true,
      () => false,
    );
  await until("it is there again", isThere);
  await publish(news.slice(20));
  await until("the rest is heard", () => ear.firsts("s-1").length >= 40);
  sameOrder(t, ear, [news]);
});
