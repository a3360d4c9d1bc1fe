// Goal: with deploy/nats.conf each role can do all that it does, and nothing that is another's. Method: a real
// nats-server with that file; what is refused is told by the server, and told in order: whatever is tried before a
// thing that is surely refused has been judged when that refusal is there.

import { connect, type NatsConnection, NatsError } from "nats";
import t, { type Test } from "tap";
import { JetStreamSink } from "../../allocator/news/jetstream-sink.ts";
import { ensureNewsConsumer } from "../../notifier/consumer-session.ts";
import { durableOf, NewsConsumer, type NewsConsumerOptions } from "../../notifier/from-jetstream.ts";
import {
  ANY_UPDATES,
  CATALOGUE_SUBJECT,
  CLAIMS,
  claimSubject,
  commandSubject,
  HEARTBEATS,
  heartbeatSubject,
  replySubject,
  updateSubject,
  VIEW_SUBJECT,
} from "../../shared/cluster/subjects.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { NEWS_STREAM, newsSubjectOf } from "../../shared/platform/nats-news-stream.ts";
import { systemTimers } from "../../shared/platform/timers.ts";
import type { News } from "../../shared/protocol/show-news.ts";
import { bookingIn, bySeats, confirm, newSession, placeHold, putOnSale, until, wordOf } from "../harness/allocator.ts";
import { startClientOf, startNodeOf } from "../harness/cluster.ts";
import { type DeployedNats, startDeployedNats } from "../harness/deployed.ts";
import { linkTo } from "../harness/nats.ts";
import { idsOf, newsOf, show, tellAll } from "../harness/news.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const nats = await startDeployedNats(t);
const MAX_AGE_MS = 86_400_000;
const ASK_MS = 20_000;
/** Nobody may publish or hear it. */
const FORBIDDEN = "nobody.may";

type Role = Parameters<DeployedNats["urlOf"]>[0];

async function connectAs(t: Test, role: Role): Promise<NatsConnection> {
  const { username: user, password: pass, host } = new URL(nats.urlOf(role));
  const connection = await connect({ servers: host, user, pass, reconnect: false });
  t.teardown(() => connection.close());
  return connection;
}

/** What of it the server refuses: `publish SUBJECT` or `subscribe SUBJECT`. */
async function refused(t: Test, role: Role, does: { publish: string[]; subscribe: string[] }): Promise<string[]> {
  const connection = await connectAs(t, role);
  const refusals: string[] = [];
  void (async () => {
    for await (const { data, permissionContext } of connection.status()) {
      const { operation = String(data), subject = "" } = permissionContext ?? {};
      refusals.push(`${operation === "subscription" ? "subscribe" : operation} ${subject}`);
    }
  })();
  for (const subject of does.subscribe) connection.subscribe(subject, { callback: () => undefined });
  for (const subject of [...does.publish, FORBIDDEN]) connection.publish(subject, "?");
  await until("the last one is refused", () => refusals.includes(`publish ${FORBIDDEN}`));
  return refusals.filter((refusal) => refusal !== `publish ${FORBIDDEN}`);
}

const all = ({ publish, subscribe }: { publish: string[]; subscribe: string[] }): string[] =>
  [...subscribe.map((subject) => `subscribe ${subject}`), ...publish.map((subject) => `publish ${subject}`)].sort();

const OF_GATEWAY = {
  publish: [commandSubject("n1", 1), CATALOGUE_SUBJECT],
  subscribe: [replySubject("g1", "*"), ANY_UPDATES, HEARTBEATS, VIEW_SUBJECT, CATALOGUE_SUBJECT],
};
const OF_ALLOCATOR = {
  publish: [replySubject("g1", "r"), updateSubject("n1"), heartbeatSubject("n1"), VIEW_SUBJECT, claimSubject("n1")],
  subscribe: [commandSubject("n1", 1), HEARTBEATS, VIEW_SUBJECT, CLAIMS],
};

t.test("it is healthy by the address that its health check asks", async (t) => {
  const response = await fetch(`${nats.monitorUrl}/healthz`);
  t.equal(response.status, 200);
  t.match(await response.json(), { status: "ok" });
});

t.test("nobody without a password, nobody with another's", async (t) => {
  const servers = `127.0.0.1:${nats.port}`;
  await t.rejects(connect({ servers, reconnect: false }), NatsError);
  await t.rejects(connect({ servers, user: "gateway", pass: "pAllocator1", reconnect: false }), NatsError);
  await t.rejects(connect({ servers, user: "usher", pass: "", reconnect: false }), NatsError);
});

t.test("a gateway does what a gateway does, and nothing of an allocator's", async (t) => {
  t.same(await refused(t, "gateway", OF_GATEWAY), []);
  const alien = {
    publish: [
      ...OF_ALLOCATOR.publish,
      newsSubjectOf("s"),
      `$JS.API.STREAM.INFO.${NEWS_STREAM}`,
      `$JS.API.STREAM.DELETE.${NEWS_STREAM}`,
      "$JS.API.INFO",
      "$KV.usher_told_mail.s",
      "$SYS.REQ.SERVER.PING",
    ],
    subscribe: [commandSubject("n1", 1), "usher.command.>", CLAIMS, "usher.>", ">", "_INBOX.>", "usher.news.>"],
  };
  t.same((await refused(t, "gateway", alien)).sort(), all(alien));
});

t.test("an allocator does what an allocator does, and commands nobody", async (t) => {
  t.same(await refused(t, "allocator", OF_ALLOCATOR), []);
  const alien = {
    publish: [
      commandSubject("n1", 1),
      `$JS.API.STREAM.DELETE.${NEWS_STREAM}`,
      `$JS.API.STREAM.PURGE.${NEWS_STREAM}`,
      `$JS.API.STREAM.MSG.DELETE.${NEWS_STREAM}`,
      `$JS.API.CONSUMER.DELETE.${NEWS_STREAM}.mail`,
      "$SYS.REQ.SERVER.PING",
    ],
    subscribe: [replySubject("g1", "*"), ANY_UPDATES, CATALOGUE_SUBJECT, "usher.>", ">", "usher.news.>"],
  };
  t.same((await refused(t, "allocator", alien)).sort(), all(alien));
});

t.test("news: an allocator's credentials fill the stream and read it; a gateway's do neither", async (t) => {
  const link = await linkTo(t, nats.urlOf("allocator"));
  const heard: News[] = [];
  const options: NewsConsumerOptions = {
    link,
    sink: {
      name: "mail",
      wants: () => true,
      tell: (news) => {
        heard.push(...news);
        return Promise.resolve(news.length);
      },
    },
    maxAgeMs: MAX_AGE_MS,
    timers: systemTimers,
    random: Math.random,
    log: silentLog(),
  };
  await ensureNewsConsumer(link.connection(), durableOf(options));
  const consumer = new NewsConsumer(options);
  consumer.start();
  t.teardown(() => consumer.stop());
  const sink = new JetStreamSink({ link, maxAgeMs: MAX_AGE_MS, log: silentLog() });
  await sink.check();
  const news = [...newsOf(show("one"), 6), ...newsOf(show("two"), 6)];
  const faults: unknown[] = [];
  await tellAll(sink, news, { onFault: (error) => faults.push(error) });
  await until("all of it is heard", () => new Set(idsOf(heard)).size === news.length);
  t.same(faults, []);

  const gateway = await connectAs(t, "gateway");
  await t.rejects(gateway.jetstreamManager({ timeout: 500 }));
});

t.test("a cluster: nodes as allocators, a client as a gateway; one node crashes", async (t) => {
  const pg = await startTestPostgres(t);
  const shows = await putOnSale(pg.pool, { shows: 12 });
  const house = { database: pg, natsUrl: nats.urlOf("allocator") };
  const first = await startNodeOf(t, house, "n1");
  await startNodeOf(t, house, "n2");
  const { client } = await startClientOf(t, { database: pg, natsUrl: nats.urlOf("gateway") });
  let updates = 0;
  client.onUpdate(() => {
    updates += 1;
  });
  const holds = await Promise.all(
    shows.map(async (showId) => {
      const session = newSession();
      return { showId, session, id: bookingIn(await client.ask(showId, placeHold(bySeats(1), session), ASK_MS)).id };
    }),
  );
  await until("the commits are heard of", () => updates >= shows.length);
  await first.crash();
  const replies = await Promise.all(
    holds.map(({ showId, session, id }) => client.ask(showId, confirm(id, session), ASK_MS)),
  );
  t.same(new Set(replies.map(wordOf)), new Set(["booked"]));
});
