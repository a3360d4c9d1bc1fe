// Goal: gateway and allocator together, over HTTP and a real store: nobody gets another's seat, a stream tells exactly
// what the map says, a parked poll hears of an expiry. Method: one node with short holds, and people who come at once.

import t from "tap";
import { startSingleNode } from "../../cli/single-node.ts";
import { GATEWAY_LIMITS } from "../../gateway/config.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { putOnSale } from "../harness/allocator.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const pg = await startTestPostgres(t);

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any;
}

async function house(t: { teardown(end: () => Promise<void>): void }, holdTtlMs: number) {
  const database = await pg.freshDatabase();
  const [showId = ""] = await putOnSale(database.pool);
  const node = await startSingleNode({
    databaseUrl: database.url,
    gateway: { host: "127.0.0.1", port: 0, limits: GATEWAY_LIMITS },
    payments: undefined,
    payTtlMs: 10_000,
    cancelUntilMs: 3_600_000,
    releaseOnDecline: true,
    holdTtlMs,
    graceMs: 0,
    offerTtlMs: 10_000,
    version: "0",
    log: silentLog(),
  });
  t.teardown(() => node.stop());
  let keyCount = 0;
  const person = async () => {
    const started = await fetch(`${node.url}/v1/sessions`, { method: "POST" });
    const { token } = (await started.json()) as { token: string };
    return async (method: string, path: string, body?: unknown): Promise<Answer> => {
      keyCount += 1;
      const response = await fetch(node.url + path, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          "x-idempotency-key": `key-${keyCount}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return { status: response.status, body: await response.json() };
    };
  };
  return { node, showId, person };
}

/** A seat map kept by snapshot and deltas alone, as a browser would. */
function follow(url: string) {
  const closing = new AbortController();
  const map = { status: "", epoch: 0, version: -1, gaps: 0 };
  let changed: () => void = () => undefined;
  const take = (event: string, data: Record<string, unknown>) => {
    if (event === "snapshot") Object.assign(map, data);
    else {
      if (data.epoch !== map.epoch || data.previous !== map.version) map.gaps += 1;
      const seats = [...map.status];
      for (const [seat, state] of data.changes as [number, number][]) seats[seat] = String(state);
      Object.assign(map, { status: seats.join(""), version: data.version });
    }
    changed();
  };
  const read = async () => {
    const response = await fetch(url, { signal: closing.signal });
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      const events = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
      rest = events.pop() ?? "";
      for (const text of events) {
        const [, event, data] = /^event: (\w+)\nid: .*\ndata: (.*)$/.exec(text) ?? [];
        if (event !== undefined && data !== undefined) take(event, JSON.parse(data));
      }
    }
  };
  const ended = read().catch(() => undefined);
  const until = async (version: number) => {
    while (map.version < version) {
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
  };
  const close = async () => {
    closing.abort();
    await ended;
  };
  return { map, until, close };
}

t.test("many at once for one show: no seat twice, and the stream tells what the map says", async (t) => {
  const { node, showId, person } = await house(t, 60_000);
  const ann = await person();
  const { layout_id } = (await ann("GET", `/v1/shows/${showId}`)).body;
  const { seats } = (await ann("GET", `/v1/layouts/${layout_id}`)).body;
  const labels: string[] = seats.map(({ label }: { label: string }) => label);
  const stream = follow(`${node.url}/v1/shows/${showId}/seatmap/stream`);
  await stream.until(0);
  const people = await Promise.all(Array.from({ length: 60 }, person));
  const wanted = (i: number) => [labels[i % labels.length], labels[(i + 1) % labels.length]];
  const locks = await Promise.all(
    people.map((ask, i) => ask("POST", "/v1/bookings/lock", { showtime_id: showId, seat_ids: wanted(i) })),
  );
  const won = locks.filter(({ status }) => status === 201);
  const lost = locks.filter(({ status }) => status !== 201);
  const held = won.flatMap(({ body }) => body.seats as string[]);
  t.equal(new Set(held).size, held.length, "no seat twice");
  t.ok(won.length >= 15, `${won.length} of 60`);
  for (const { body } of lost) t.match(body, { status: 409, code: /^(seats_taken|retry_held|show_full)$/ });
  const outcomes = await Promise.all(
    locks.map(async ({ body, status }, i) => {
      if (status !== 201) return undefined;
      const ask = people[i] ?? ann;
      if (i % 3 === 0) return ask("DELETE", `/v1/bookings/lock/${body.lock_id}`);
      return ask("POST", "/v1/bookings/confirm", { lock_id: body.lock_id, payment_token: "pm_card_visa" });
    }),
  );
  const done = outcomes.filter((each) => each !== undefined);
  t.ok(done.every(({ status }) => status === 200));
  const sold = done.flatMap(({ body }) => (body.status === "booked" ? (body.seats as string[]) : []));
  const map = (await ann("GET", `/v1/shows/${showId}/seatmap`)).body;
  t.equal(map.counts.sold, sold.length);
  t.equal(map.counts.held, 0);
  t.same(labels.filter((_, seat) => map.status[seat] === "2").sort(), [...sold].sort());
  await stream.until(map.version);
  t.match(stream.map, { status: map.status, version: map.version, epoch: map.epoch, gaps: 0 });
  await stream.close();
});

t.test("a parked poll hears of the expiry, and the seat is free for the next", async (t) => {
  const { showId, person } = await house(t, 1_000);
  const [ann, bob] = [await person(), await person()];
  const lock = (await ann("POST", "/v1/bookings/lock", { showtime_id: showId, quantity: 2 })).body;
  const held = (await ann("GET", `/v1/bookings/${lock.lock_id}`)).body;
  const ended = await ann("GET", `/v1/bookings/${lock.lock_id}?wait=20&after=${held.version}`);
  t.match(ended, { status: 200, body: { status: "expired", seats: lock.seats } });
  const next = await bob("POST", "/v1/bookings/lock", { showtime_id: showId, seat_ids: lock.seats });
  t.match(next, { status: 201, body: { seats: lock.seats } });
  const late = await ann("POST", "/v1/bookings/confirm", { lock_id: lock.lock_id, payment_token: "pm_card_visa" });
  t.match(late, { status: 410, body: { code: "hold_expired", booking_status: "expired" } });
  const mine = (await ann("GET", "/v1/bookings")).body;
  t.match(mine, { bookings: [{ booking_id: lock.lock_id, status: "expired" }], next_cursor: null });
});
