// The seat map over HTTP: what is committed shows at once, bytes are the same for a version, streams lose nothing.

import t from "tap";
import { settled } from "../../waitlist/poll/fake-time.ts";
import { fakeGateway, SHOW } from "../fake-gateway.ts";

const MAP = `/v1/shows/${SHOW}/seatmap`;
const LOCK = "/v1/bookings/lock";

t.test("the map, its counts, and the write that was just acknowledged", async (t) => {
  const { ask, problem } = await fakeGateway();
  const empty = await problem(ask("GET", MAP));
  t.strictSame(empty, {
    show_id: SHOW,
    layout_id: "hall-1",
    epoch: 1,
    version: 0,
    counts: { free: 30, queued: 0, held: 0, sold: 0, blocked: 0 },
    status: "0".repeat(30),
    http: 200,
  });
  await ask("POST", LOCK, { body: { showtime_id: SHOW, seat_ids: ["A1", "A3"] } });
  const counts = { free: 28, queued: 0, held: 2, sold: 0, blocked: 0 };
  t.match(await problem(ask("GET", MAP)), { version: 1, counts, status: `101${"0".repeat(27)}` });
});

t.test("ETag is epoch and version; 304 while it is the same", async (t) => {
  const { ask, allocator } = await fakeGateway();
  const first = await ask("GET", MAP);
  t.equal(first.headers.get("etag"), '"1.0"');
  t.equal(first.headers.get("cache-control"), "public, no-cache");
  for (const etag of ['"1.0"', 'W/"1.0"', '"x", "1.0"', "*"]) {
    const same = await ask("GET", MAP, { headers: { "if-none-match": etag } });
    t.equal(same.status, 304, etag);
    t.equal(await same.text(), "");
    t.equal(same.headers.get("etag"), '"1.0"');
  }
  t.equal((await ask("GET", MAP, { headers: { "if-none-match": '"1.00"' } })).status, 200);
  await ask("POST", LOCK, { body: { showtime_id: SHOW, seat_ids: ["A1"] } });
  const next = await ask("GET", MAP, { headers: { "if-none-match": '"1.0"' } });
  t.equal(next.status, 200);
  t.equal(next.headers.get("etag"), '"1.1"');
  t.equal(allocator.asked.filter(({ command }) => command.kind === "ReadSeatMap").length, 1, "one snapshot in all");
});

t.test("stale while nobody can be asked; 503 when nothing is known", async (t) => {
  const { ask, problem, allocator } = await fakeGateway();
  await ask("GET", MAP);
  allocator.missing = ["postgres"];
  const stale = await ask("GET", MAP, { headers: { "if-none-match": '"1.0"' } });
  t.equal(stale.status, 200, "it is not the same answer");
  t.match(await problem(stale), { stale: true, version: 0 });
  allocator.override = () => ({
    kind: "fault",
    fault: { code: "store_unavailable", outcome: "none", retryAfterMs: 1_000 },
  });
  t.match(await problem(ask("GET", "/v1/shows/show-2/seatmap")), { http: 503, code: "store_unavailable" });
  t.match(await problem(ask("GET", "/v1/shows/nothing/seatmap")), { http: 404 });
  t.match(await problem(ask("GET", "/v1/shows/a.b/seatmap")), { http: 404 });
  allocator.missing = [];
  allocator.override = undefined;
  t.equal("stale" in (await problem(ask("GET", MAP))), false);
});

/** Reads events as they come. */
function eventsOf(response: Response) {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  return {
    cancel: () => reader?.cancel(),
    async next(): Promise<{ event: string; id: string; data: Record<string, unknown> } | "comment" | "end"> {
      for (;;) {
        const end = rest.indexOf("\n\n");
        if (end >= 0) {
          const lines = rest.slice(0, end).split("\n");
          rest = rest.slice(end + 2);
          if (lines[0]?.startsWith("retry:")) continue;
          if (lines[0]?.startsWith(":")) return "comment";
          const field = (name: string) =>
            lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
          return { event: field("event"), id: field("id"), data: JSON.parse(field("data")) };
        }
        const read = await reader?.read();
        if (read === undefined || read.done) return "end";
        rest += decoder.decode(read.value, { stream: true });
      }
    },
  };
}

t.test("a stream: snapshot, deltas, heartbeat; a gap or a new epoch is a new snapshot", async (t) => {
  const { ask, allocator, time } = await fakeGateway();
  const response = await ask("GET", `${MAP}/stream`);
  t.equal(response.headers.get("content-type"), "text/event-stream");
  t.equal(response.headers.get("cache-control"), "no-store");
  const events = eventsOf(response);
  t.match(await events.next(), { event: "snapshot", id: "1.0", data: { show_id: SHOW, status: "0".repeat(30) } });
  await ask("POST", LOCK, { body: { showtime_id: SHOW, seat_ids: ["A2"] } });
  t.match(await events.next(), {
    event: "delta",
    id: "1.1",
    data: { epoch: 1, previous: 0, version: 1, changes: [[1, 1]] },
  });
  const show = allocator.showOf(SHOW);
  // An update that went missing: version 2 never came here, 3 does.
  Object.assign(show, { version: 3 });
  show.seats[5] = 2;
  allocator.emit({ showId: SHOW, epoch: 1, previous: 2, version: 3, changes: [[6, 1]], queued: 0, touched: [] });
  t.match(await events.next(), { event: "snapshot", id: "1.3", data: { counts: { sold: 1 } } });
  Object.assign(show, { epoch: 2, version: 4 });
  allocator.emit({ showId: SHOW, epoch: 2, previous: 3, version: 4, changes: [[7, 1]], queued: 0, touched: [] });
  t.match(await events.next(), { event: "snapshot", id: "2.4" });
  allocator.emit({ showId: SHOW, epoch: 1, previous: 3, version: 5, changes: [[8, 1]], queued: 0, touched: [] });
  await time.pass(15_000);
  t.equal(await events.next(), "comment", "a deposed owner's late update is no event");
  await events.cancel();
  await time.pass(15_000);
  t.same(time.armed, [], "the last one turned the light off");
});

t.test("streams are bounded, cut off when slow, and ended in good order", async (t) => {
  const { ask, problem, allocator, gateway } = await fakeGateway({ seatStreamsMax: 2 });
  const path = `${MAP}/stream`;
  const slow = await ask("GET", path);
  const quick = eventsOf(await ask("GET", path));
  await quick.next();
  t.match(await problem(ask("GET", path)), { http: 503, code: "overloaded" });
  t.match(await problem(ask("GET", "/v1/shows/nothing/seatmap/stream")), { http: 503 }, "full is full");
  const changes = Array.from({ length: 30 }, (_, seat) => [seat, 1] as const);
  for (let version = 1; version <= 400; version += 1) {
    allocator.emit({ showId: SHOW, epoch: 1, previous: version - 1, version, changes, queued: 0, touched: [] });
    t.match(await quick.next(), { event: "delta", data: { version } });
  }
  await t.rejects(eventsUntilEnd(eventsOf(slow)), /too slow/);
  const again = await ask("GET", path);
  t.equal(again.status, 200, "its place is free");
  gateway.drain();
  t.equal(await quick.next(), "end");
  t.match(await problem(ask("GET", path)), { http: 503, code: "overloaded", retry_after_s: 1, detail: /stopping/ });
});

async function eventsUntilEnd(events: ReturnType<typeof eventsOf>): Promise<void> {
  while ((await events.next()) !== "end") await settled();
}

t.test("HEAD of a stream opens none", async (t) => {
  const { ask, gateway, time } = await fakeGateway();
  const head = await ask("HEAD", `${MAP}/stream`);
  t.equal(head.status, 200);
  t.same(time.armed, []);
  gateway.drain();
});
