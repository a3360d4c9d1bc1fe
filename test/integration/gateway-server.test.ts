// Goal: what only a real socket shows: limits of headers, bodies and time, clients that go away, an end in good order.
// Method: the gateway on a free port over a fake allocator, spoken to with raw sockets and Node's own client.

import { generateKeyPairSync } from "node:crypto";
import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";
import { Registry } from "prom-client";
import t from "tap";
import { GATEWAY_LIMITS, type GatewayLimits } from "../../gateway/config.ts";
import { FakeAllocator, FakeShows } from "../../gateway/fake-allocator.ts";
import { SHOW } from "../../gateway/fake-gateway.ts";
import { Sessions } from "../../gateway/http/session.ts";
import { startGateway } from "../../gateway/main.ts";
import type { BookingId, SessionId, WaiterId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { systemTimers } from "../../shared/platform/timers.ts";

const SEAT_COUNT = 30;
const clock = { now: () => Date.now() };

async function running(t: { teardown(end: () => Promise<void>): void }, limits: Partial<GatewayLimits> = {}, port = 0) {
  const allocator = new FakeAllocator(SEAT_COUNT, clock.now);
  const sessionKey = new Uint8Array(32).fill(1);
  const gateway = await startGateway({
    config: { host: "127.0.0.1", port, limits: { ...GATEWAY_LIMITS, ...limits } },
    allocator,
    catalogue: { shows: new FakeShows(SEAT_COUNT), endpoints: () => [] },
    pool: { query: async () => ({ rows: [] }) } as unknown as Pool,
    secrets: {
      sessionKey,
      operationKey: new Uint8Array(32).fill(2),
      ticketKey: generateKeyPairSync("ed25519").privateKey,
    },
    log: silentLog(),
    metrics: new Registry(),
    clock,
    timers: systemTimers,
    version: "0",
  });
  t.teardown(() => gateway.stop());
  const { token } = await new Sessions({ sessionKey, clock }).issue({ id: "ann" as SessionId, scopes: [], ttlS: 600 });
  const { hostname, port: bound } = new URL(gateway.url);
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json", "x-idempotency-key": "k" };
  const lock = async (): Promise<BookingId> => {
    const body = JSON.stringify({ showtime_id: SHOW, seat_ids: ["A1"] });
    const response = await fetch(`${gateway.url}/v1/bookings/lock`, { method: "POST", headers, body });
    return ((await response.json()) as { lock_id: BookingId }).lock_id;
  };
  const gauge = async (name: string): Promise<number> => {
    const text = await (await fetch(`${gateway.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(text)?.[1]);
  };
  const until = async (name: string, value: number): Promise<void> => {
    while ((await gauge(name)) !== value) await new Promise((resolve) => setImmediate(resolve));
  };
  return { gateway, allocator, hostname, port: Number(bound), headers, lock, until };
}

/** Everything the other end says until it closes. */
function rawAnswer(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text));
  });
}

function open(hostname: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, hostname, () => resolve(socket));
    socket.once("error", reject);
  });
}

async function raw(hostname: string, port: number, text: string): Promise<string> {
  const socket = await open(hostname, port);
  socket.write(text);
  return rawAnswer(socket);
}

const responseOf = (asked: ClientRequest): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    asked.on("response", resolve);
    asked.on("error", reject);
  });

t.test("what Node refuses before the app sees it is a problem too", async (t) => {
  const { hostname, port } = await running(t);
  const large = `GET / HTTP/1.1\r\nHost: a\r\nX-Large: ${"x".repeat(9_000)}\r\n\r\n`;
  t.match(await raw(hostname, port, large), /^HTTP\/1.1 431 [\s\S]*application\/problem\+json[\s\S]*headers_too_large/);
  t.match(await raw(hostname, port, "NONSENSE\r\n\r\n"), /^HTTP\/1.1 400 [\s\S]*malformed_request/);
  const expect = "GET /healthz HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n";
  t.match(
    await raw(hostname, port, expect),
    /^HTTP\/1.1 417 [\s\S]*application\/problem\+json[\s\S]*expectation_failed/,
  );
  const host = "GET / HTTP/1.1\r\nHost: a b/c\r\nConnection: close\r\n\r\n";
  t.match(await raw(hostname, port, host), /^HTTP\/1.1 400 [\s\S]*malformed_request/);
  const parent = "GET /docs/../../etc/passwd HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
  t.match(await raw(hostname, port, parent), /^HTTP\/1.1 404 [\s\S]*not_found/);
});

t.test("a client that dawdles over its headers is answered 408 and closed", async (t) => {
  const { hostname, port } = await running(t);
  const answer = await raw(hostname, port, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ");
  t.match(answer, /^HTTP\/1.1 408 [\s\S]*request_timeout/);
});

t.test("bodies: the limit holds with and without a declared length", async (t) => {
  const { gateway, hostname, port, headers, allocator } = await running(t);
  const url = `${gateway.url}/v1/bookings/lock`;
  const large = JSON.stringify({ showtime_id: SHOW, seat_ids: ["x".repeat(17 * 1024)] });
  const declared = await fetch(url, { method: "POST", headers, body: large });
  t.match([declared.status, await declared.json()], [413, { code: "body_too_large" }]);
  // A sender that says no length and never ends.
  const asked = request({ hostname, port, method: "POST", path: "/v1/bookings/lock", headers });
  const answered = responseOf(asked);
  for (let sent = 0; sent < 20; sent += 1) asked.write("x".repeat(1024));
  t.equal((await answered).statusCode, 413);
  asked.destroy();
  const chunked = request({ hostname, port, method: "POST", path: "/v1/bookings/lock", headers });
  chunked.write(`{"showtime_id":"${SHOW}",`);
  chunked.end('"seat_ids":["A1"]}');
  t.equal((await responseOf(chunked)).statusCode, 201);
  const notUtf8 = await fetch(url, { method: "POST", headers, body: new Uint8Array([0x22, 0xff, 0x22]) });
  t.match([notUtf8.status, await notUtf8.json()], [400, { code: "malformed_json" }]);
  t.equal(allocator.asked.length, 1);
});

t.test("a parked poll is woken through its socket, and one whose client has gone frees its place", async (t) => {
  const { gateway, allocator, hostname, port, headers, lock, until } = await running(t);
  const id = await lock();
  const path = `/v1/bookings/${id}?wait=30&after=1`;
  const gone = request({ hostname, port, path, headers }).on("error", () => undefined);
  gone.end();
  await until("usher_parked_polls", 1);
  gone.destroy();
  await until("usher_parked_polls", 0);
  const waiting = fetch(gateway.url + path, { headers });
  await until("usher_parked_polls", 1);
  allocator.settle(SHOW, id, { status: "expired" });
  t.match(await (await waiting).json(), { status: "expired", version: 2 });
});

t.test(
  "a waiter's poll hears of the offer through its socket; its client's going frees the place at once",
  async (t) => {
    const { gateway, allocator, hostname, port, headers, until } = await running(t);
    allocator.showOf(SHOW).seats.fill(1);
    const body = JSON.stringify({ quantity: 2 });
    const joined = await fetch(`${gateway.url}/v1/shows/${SHOW}/waitlist`, { method: "POST", headers, body });
    const location = joined.headers.get("location");
    t.equal(joined.status, 201);
    const path = `${location}?wait=30&after=1`;
    const gone = request({ hostname, port, path, headers }).on("error", () => undefined);
    gone.end();
    await until("usher_parked_polls", 1);
    gone.destroy();
    await until("usher_parked_polls", 0);
    // Headers are let go of while it waits: what it is answered, and the next request on its connection, need none.
    const socket = await open(hostname, port);
    t.teardown(() => socket.destroy());
    const get = (path: string) =>
      `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${headers.authorization}\r\nX-Large: ${"x".repeat(7_000)}\r\n\r\n`;
    const answer = async (): Promise<string> =>
      String(await new Promise<Buffer>((resolve) => socket.once("data", resolve)));
    socket.write(get(path));
    await until("usher_parked_polls", 1);
    allocator.offer(SHOW, `${location}`.slice("/v1/waitlist/".length) as WaiterId, [0, 1]);
    t.match(await answer(), /^HTTP\/1.1 200 [\s\S]*"state":"offered"[\s\S]*"seats":\["A1","A2"\]/);
    socket.write(get(`${location}`));
    t.match(await answer(), /^HTTP\/1.1 200 [\s\S]*"state":"offered"/);
  },
);

t.test("a parked poll outlasts the time a request has to arrive", async (t) => {
  const { gateway, headers, lock } = await running(t);
  const id = await lock();
  const began = clock.now();
  const response = await fetch(`${gateway.url}/v1/bookings/${id}?wait=12&after=1`, { headers });
  t.match([response.status, await response.json()], [200, { version: 1 }]);
  t.ok(clock.now() - began >= 12_000);
});

t.test("a client that was refused and does not close its half gives its place back all the same", async (t) => {
  const { hostname, port, gateway } = await running(t, { connectionsMax: 1 });
  const socket = connect({ port, host: hostname, allowHalfOpen: true });
  t.teardown(() => socket.destroy());
  socket.on("error", () => undefined);
  socket.write("NONSENSE\r\n\r\n");
  const refused = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
  t.match(String(refused), /^HTTP\/1.1 400 /);
  // Its place is the only one. The test ends by its time limit when it never comes free.
  let status = 0;
  while (status === 0)
    status = await fetch(`${gateway.url}/healthz`).then(
      (response) => response.status,
      () => 0,
    );
  t.equal(status, 200);
});

t.test("a stream over a socket: a client that goes frees its place, a slow one is cut off", async (t) => {
  const { allocator, hostname, port, until } = await running(t);
  const path = `/v1/shows/${SHOW}/seatmap/stream`;
  const quick = await responseOf(request({ hostname, port, path }).end());
  quick.setEncoding("utf8");
  t.match((await quick[Symbol.asyncIterator]().next()).value, /event: snapshot/);
  quick.destroy();
  await until("usher_seat_streams", 0);
  const slow = await open(hostname, port);
  slow.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`);
  slow.pause();
  await until("usher_seat_streams", 1);
  const closed = new Promise((resolve) => slow.on("close", resolve));
  slow.on("error", () => undefined);
  const changes = Array.from({ length: SEAT_COUNT }, (_, seat) => [seat, 1] as const);
  for (let version = 1; version <= 100_000; version += 1) {
    allocator.emit({ showId: SHOW, epoch: 1, previous: version - 1, version, changes, queued: 0, touched: [] });
    if (version % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await until("usher_seat_streams", 0);
  slow.resume();
  await closed;
});

t.test("stopping answers what waits, ends streams, closes idle connections and refuses new ones", async (t) => {
  const { gateway, hostname, port, headers, lock, until } = await running(t);
  const id = await lock();
  const poll = fetch(`${gateway.url}/v1/bookings/${id}?wait=30&after=1`, { headers });
  const stream = fetch(`${gateway.url}/v1/shows/${SHOW}/seatmap/stream`).then((response) => response.text());
  const idle = await open(hostname, port);
  const idleClosed = rawAnswer(idle);
  await until("usher_parked_polls", 1);
  await until("usher_seat_streams", 1);
  const began = clock.now();
  await gateway.stop();
  t.ok(clock.now() - began < 5_000, "not by its bound");
  t.match([(await poll).status, await (await poll).json()], [200, { booking_id: id, version: 1 }]);
  t.match(await stream, /^retry: .*\n\nevent: snapshot\n[\s\S]*\n\n$/);
  t.equal(await idleClosed, "");
  await t.rejects(open(hostname, port), { code: "ECONNREFUSED" });
  await gateway.stop();
});

t.test("a request that comes while it stops is answered, and its connection ends with the answer", async (t) => {
  const { gateway, hostname, port, headers, lock, until } = await running(t);
  const id = await lock();
  const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: ${headers.authorization}\r\n\r\n`;
  // Ten that asked before and keep their connections, ten that have not asked yet, and one that waits for its answer.
  const kept = await Promise.all(Array.from({ length: 10 }, () => open(hostname, port)));
  for (const socket of kept) {
    socket.write(get("/healthz"));
    const answered: Buffer = await new Promise((resolve) => socket.once("data", resolve));
    t.notMatch(String(answered), /connection: close/i);
  }
  const silent = await Promise.all(Array.from({ length: 10 }, () => open(hostname, port)));
  const waiting = await open(hostname, port);
  waiting.write(get(`/v1/bookings/${id}?wait=30&after=1`));
  await until("usher_parked_polls", 1);
  const stopping = gateway.stop();
  const answers = [waiting, ...kept, ...silent].map(rawAnswer);
  for (const socket of [...kept, ...silent]) socket.write(get("/healthz"));
  for (const answer of await Promise.all(answers)) t.match(answer, /^HTTP\/1.1 200 [\s\S]*connection: close\r\n/i);
  await stopping;
});

t.test("a port in use is said in a sentence", async (t) => {
  const { port } = await running(t);
  await t.rejects(running(t, {}, port), { code: "port_taken", message: /in use/ });
});

t.test("connections beyond the limit are closed as they come", async (t) => {
  const { hostname, port } = await running(t, { connectionsMax: 1 });
  const first = await open(hostname, port);
  const second = await open(hostname, port);
  t.equal(await rawAnswer(second), "");
  first.destroy();
});
