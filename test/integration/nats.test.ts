// Goal: the link to NATS keeps itself up through everything a server can do to it, and says at once when it is not up.
// Method: a real server that is killed, frozen, and closed to us.

import { once } from "node:events";
import { createServer, type Server } from "node:net";
import t, { type Test } from "tap";
import type { NatsLink, NatsStatus } from "../../shared/platform/nats.ts";
import { until } from "../harness/allocator.ts";
import { linkTo, startTestNats } from "../harness/nats.ts";

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

/** What the link says from now on. */
function statuses(link: NatsLink): NatsStatus[] {
  const told: NatsStatus[] = [];
  link.onStatus((status) => told.push(status));
  return told;
}

const isUp = (link: NatsLink) => until("the link is up", () => link.status === "connected");
const isAway = (link: NatsLink) => until("the link is away", () => link.status === "away");

async function listening(t: Test, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => void server.close());
  const address = server.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

t.test("asks, answers and publishes bytes; one of a queue gets each message", async (t) => {
  const nats = await startTestNats(t);
  const [a, b] = [await linkTo(t, nats.url), await linkTo(t, nats.url)];
  const got: string[] = [];
  for (const [name, link] of [
    ["a", a],
    ["b", b],
  ] as const) {
    link.subscribe("work", () => got.push(name), { queue: "workers" });
    link.subscribe(
      "double",
      ({ data, reply }) =>
        reply &&
        link.publish(
          reply,
          data.map((value) => value * 2),
        ),
      {
        queue: "workers",
      },
    );
  }
  await Promise.all([a.connection().flush(), b.connection().flush()]);
  t.same([...(await a.request("double", bytes(0, 7, 100), 5_000)).data], [0, 14, 200]);
  for (let i = 0; i < 50; i++) a.publish("work", bytes(i));
  await until("all of it is done", () => got.length >= 50);
  t.same([got.length, new Set(got).size], [50, 2]);
  await t.rejects(a.request("nobody", bytes(), 5_000), { name: "NatsFault", code: "no_responders" });
  b.subscribe("silence", () => undefined);
  await b.connection().flush();
  await t.rejects(a.request("silence", bytes(), 50), { name: "NatsFault", code: "timeout" });
});

t.test("a killed server: what is asked fails at once, subscriptions come back", async (t) => {
  const nats = await startTestNats(t);
  const link = await linkTo(t, nats.url);
  const told = statuses(link);
  const heard: number[] = [];
  const subscription = link.subscribe("news", ({ data }) => heard.push(data[0] ?? -1));
  const dropped = link.subscribe("dropped", () => heard.push(-2));
  link.subscribe("silence", () => undefined);
  await link.connection().flush();
  const asked = link.request("silence", bytes(1), 60_000);
  await Promise.all([t.rejects(asked, { code: "away" }, "long before its time"), nats.kill()]);
  await isAway(link);
  t.throws(() => link.publish("news", bytes(1)), { code: "away" });
  await t.rejects(link.request("news", bytes(1), 60_000), { code: "away" });
  dropped.unsubscribe();
  await nats.start();
  await isUp(link);
  link.publish("dropped", bytes(2));
  link.publish("news", bytes(3));
  await until("it is heard", () => heard.length > 0);
  t.same(heard, [3], "what was published meanwhile was refused, not kept");
  t.same(told, ["away", "connected"]);
  subscription.unsubscribe();
  link.publish("news", bytes(4));
  await link.connection().flush();
  t.same(heard, [3]);
});

for (const backlog of [0, 60]) {
  t.test(`a frozen server is noticed, also with ${backlog} MB not sent; nothing is left when it goes on`, async (t) => {
    const nats = await startTestNats(t);
    t.teardown(async () => nats.thaw());
    const link = await linkTo(t, nats.url);
    const sockets = (): number => process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
    const before = sockets();
    nats.freeze();
    const frozenAt = performance.now();
    for (let i = 0; i < backlog; i++) link.publish("bulk", new Uint8Array(1_000_000));
    await isAway(link);
    t.ok(performance.now() - frozenAt < 6_000, `noticed after ${Math.round(performance.now() - frozenAt)} ms`);
    // A few attempts at it: none may stay open.
    await until("it was tried again", () => sockets() > before - 1);
    await until("and given up again", () => sockets() < before);
    nats.thaw();
    await isUp(link);
    await link.connection().flush();
    t.equal(sockets(), before);
  });
}

t.test("says plainly why it cannot begin", async (t) => {
  const nats = await startTestNats(t);
  const wrong = new URL(nats.url);
  wrong.password = "wrong";
  for (const whenAway of ["fail", "keep_trying"] as const) {
    await t.rejects(linkTo(t, wrong.href, { whenAway }), {
      name: "StartFault",
      code: "nats_refused",
      message: /^NATS at 127\.0\.0\.1:\d+ lets us not in: /,
    });
  }
  const other = await listening(
    t,
    createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")),
  );
  await t.rejects(linkTo(t, `nats://127.0.0.1:${other}`), { code: "nats_refused", message: /not NATS/ });
  await nats.stop();
  await t.rejects(linkTo(t, nats.url), { code: "nats_away", message: String(nats.port) });
});

t.test("begins without a server, takes the one that is there, and stops while it has none", async (t) => {
  const nats = await startTestNats(t);
  await nats.stop();
  const dead = await linkTo(t, nats.url, { whenAway: "keep_trying" });
  t.equal(dead.status, "away");
  const early = await linkTo(t, nats.url, { whenAway: "keep_trying" });
  const heard: number[] = [];
  early.subscribe("news", ({ data }) => heard.push(data[0] ?? -1));
  await dead.stop();
  t.equal(dead.status, "stopped");
  await nats.start();
  await isUp(early);
  const spare = await linkTo(t, `nats://127.0.0.1:1,${nats.url}`);
  spare.publish("news", bytes(9));
  await spare.stop();
  await until("a stop sends what was published", () => heard.length === 1);
  t.equal(dead.status, "stopped");
});

t.test("stops within its bound, whatever the server does", async (t) => {
  const nats = await startTestNats(t);
  t.teardown(async () => nats.thaw());
  const link = await linkTo(t, nats.url);
  link.subscribe("news", () => undefined);
  await link.connection().flush();
  nats.freeze();
  const began = performance.now();
  await Promise.all([link.stop(100), link.stop(100)]);
  t.ok(performance.now() - began < 5_000);
});
