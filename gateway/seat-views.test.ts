// Goal: a view never shows a state that was not committed, never goes back, and never misses a change. Method: the
// snapshot's answer is held back by the test, and updates are sent around it.

import t from "tap";
import type { ShowId } from "../shared/kernel/ids.ts";
import type { Reply, SeatMapSnapshot, ShowUpdate } from "../shared/protocol/reply.ts";
import { FakeTime, settled } from "../waitlist/poll/fake-time.ts";
import { FakeAllocator, FakeShows } from "./fake-allocator.ts";
import { SeatViews } from "./seat-views.ts";

const SHOW = "show-1" as ShowId;
const SEATS = 4;

function viewsOf(options: { viewsMax?: number } = {}) {
  const time = new FakeTime();
  const allocator = new FakeAllocator(SEATS, time.now);
  const shows = new FakeShows(SEATS);
  const views = new SeatViews({ allocator, shows, timers: time, ...options });
  allocator.onUpdate((update) => views.apply(update));
  const seen = async (showId = SHOW) => {
    const read = await views.read(showId);
    if (read.kind !== "view") return read.kind;
    const { status, version, epoch } = JSON.parse(Buffer.from(read.view.bytes(read.isStale)).toString());
    return `${epoch}.${version} ${status}${read.isStale ? " stale" : ""}`;
  };
  return { time, allocator, shows, views, seen };
}

const snapshot = (epoch: number, version: number, status: string): SeatMapSnapshot => ({
  showId: SHOW,
  epoch,
  version,
  status,
  queued: 0,
});

const update = (epoch: number, previous: number, changes: ShowUpdate["changes"]): ShowUpdate => ({
  showId: SHOW,
  epoch,
  previous,
  version: previous + 1,
  changes,
  queued: 0,
  touched: [],
});

/** The answers to ReadSeatMap, given when the test says. */
function heldBack(allocator: FakeAllocator) {
  const waiting: ((reply: Reply) => void)[] = [];
  allocator.override = () => new Promise((resolve) => waiting.push(resolve));
  return {
    count: () => waiting.length,
    answer: (reply: SeatMapSnapshot | "fault") => {
      const fault = { code: "store_unavailable", outcome: "none", retryAfterMs: 1 } as const;
      waiting.shift()?.(reply === "fault" ? { kind: "fault", fault } : { kind: "snapshot", snapshot: reply });
    },
  };
}

t.test("one snapshot for all who ask at once, then deltas", async (t) => {
  const { allocator, seen } = viewsOf();
  const reads = heldBack(allocator);
  const all = [seen(), seen(), seen()];
  await settled();
  t.equal(reads.count(), 1);
  reads.answer(snapshot(1, 5, "0000"));
  t.same(await Promise.all(all), ["1.5 0000", "1.5 0000", "1.5 0000"]);
  allocator.emit(update(1, 5, [[0, 1]]));
  allocator.emit(
    update(1, 6, [
      [1, 2],
      [0, 0],
    ]),
  );
  t.equal(await seen(), "1.7 0200");
});

t.test("what is queued may change without a version: other bytes, another validator, no delta", async (t) => {
  const { allocator, views, seen } = viewsOf();
  const reads = heldBack(allocator);
  const read = seen();
  await settled();
  reads.answer({ ...snapshot(1, 5, "0000"), queued: 2 });
  await read;
  const heard: unknown[] = [];
  views.watch(SHOW, { delta: (change) => heard.push(change), snapshot: (view) => heard.push(view) });
  const now = () => {
    const known = views.peek(SHOW);
    return known?.kind === "view" ? [known.view.etag(false), Buffer.from(known.view.bytes(false)).toString()] : [];
  };
  t.equal(now()[0], '"1.5.2"');
  for (const epoch of [0, 1]) {
    allocator.emit({ ...update(epoch, 5, []), version: 5, queued: 0 });
    t.equal(now()[0], epoch === 0 ? '"1.5.2"' : '"1.5"', "a deposed owner is not believed");
  }
  t.match(now()[1], /"queued":0/);
  t.same(heard, []);
});

t.test("what commits while the snapshot is on its way is applied on top, what it holds already is not", async (t) => {
  const { allocator, seen } = viewsOf();
  const reads = heldBack(allocator);
  const read = seen();
  await settled();
  for (const seat of [0, 1, 2]) allocator.emit(update(1, 4 + seat, [[seat, 1]]));
  reads.answer(snapshot(1, 5, "1000"));
  t.equal(await read, "1.7 1110");
});

t.test("an update that comes back before the asking returns is not lost", async (t) => {
  const { allocator, seen } = viewsOf();
  allocator.override = () => {
    // A port in the same process may tell of a commit before `ask` has returned its promise.
    allocator.emit(update(1, 5, [[3, 1]]));
    return { kind: "snapshot", snapshot: snapshot(1, 5, "0000") };
  };
  t.equal(await seen(), "1.6 0001");
});

t.test("old and repeated updates change nothing", async (t) => {
  const { allocator, seen } = viewsOf();
  allocator.override = () => ({ kind: "snapshot", snapshot: snapshot(2, 5, "1000") });
  await seen();
  allocator.emit(update(2, 4, [[0, 0]]));
  allocator.emit(update(1, 5, [[1, 1]]));
  t.equal(await seen(), "2.5 1000");
});

for (const [name, next] of [
  ["a gap", update(1, 7, [[2, 1]])],
  ["a new epoch", update(2, 5, [[2, 1]])],
] as const) {
  t.test(`${name}: read again, and meanwhile nobody is shown the old state as the present`, async (t) => {
    const { allocator, seen } = viewsOf();
    allocator.override = () => ({ kind: "snapshot", snapshot: snapshot(1, 5, "0000") });
    await seen();
    const reads = heldBack(allocator);
    allocator.emit(next);
    t.equal(reads.count(), 0, "unwatched: only when asked");
    const read = seen();
    await settled();
    t.equal(reads.count(), 1);
    reads.answer(snapshot(next.epoch, 8, "0011"));
    t.equal(await read, `${next.epoch}.8 0011`);
  });
}

t.test("who cannot be asked leaves a stale view, and nothing is ever taken back", async (t) => {
  const { allocator, seen } = viewsOf();
  allocator.override = () => ({ kind: "snapshot", snapshot: snapshot(2, 5, "1000") });
  await seen();
  allocator.emit(update(3, 5, [[1, 1]]));
  const reads = heldBack(allocator);
  let read = seen();
  await settled();
  reads.answer("fault");
  t.equal(await read, "2.5 1000 stale");
  read = seen();
  await settled();
  reads.answer(snapshot(1, 9, "0000"));
  t.equal(await read, "2.5 1000 stale", "an owner deposed long ago");
  read = seen();
  await settled();
  reads.answer(snapshot(2, 6, "0000"));
  t.equal(await read, "2.5 1000 stale", "the owner whose successor has been heard of");
  read = seen();
  await settled();
  reads.answer(snapshot(3, 6, "1100"));
  t.equal(await read, "3.6 1100");
});

t.test("while it is read again the old view is shown as stale, and the reading goes on", async (t) => {
  const { allocator, seen, time, shows } = viewsOf();
  allocator.override = () => ({ kind: "snapshot", snapshot: snapshot(1, 5, "0000") });
  await seen();
  const reads = heldBack(allocator);
  allocator.emit(update(1, 7, [[2, 1]]));
  const first = seen();
  await time.pass(299);
  const second = seen();
  t.equal(await Promise.race([first, second, settled()]), undefined, "not before its time");
  await time.pass(1);
  t.same(await Promise.all([first, second]), ["1.5 0000 stale", "1.5 0000 stale"]);
  t.equal(await seen(), "1.5 0000 stale", "who comes later does not wait again");
  t.equal(reads.count(), 1, "one reading for all");
  reads.answer(snapshot(1, 8, "0010"));
  await settled();
  t.equal(await seen(), "1.8 0010");
  t.same(time.armed, []);

  allocator.emit(update(2, 8, [[3, 1]]));
  allocator.missing = ["postgres"];
  t.equal(await seen(), "1.8 0010 stale", "at once where nobody answers");
  await settled();
  t.equal(reads.count(), 1, "and yet it is read");
  allocator.missing = [];
  reads.answer(snapshot(2, 9, "0011"));
  await settled();
  t.equal(await seen(), "2.9 0011");

  allocator.emit(update(3, 9, [[3, 1]]));
  shows.peek = () => undefined;
  shows.fails = new Error("away");
  t.equal(await seen(), "2.9 0011 stale", "the store away is no reason to show nothing");
  t.same(time.armed, []);
});

t.test("faults, unknown shows and a store away are told apart, and leave nothing behind", async (t) => {
  const { allocator, views, shows, seen } = viewsOf();
  t.equal(await seen("nothing" as ShowId), "unknown_show");
  allocator.override = () => ({ kind: "refused", refusal: { code: "not_found" } });
  t.equal(await seen(), "unknown_show");
  allocator.override = () => ({
    kind: "fault",
    fault: { code: "overloaded", outcome: "none", retryAfterMs: 1 },
  });
  t.equal(await seen(), "fault");
  shows.fails = new Error("away");
  await t.rejects(seen("other" as ShowId), /away/);
  t.equal(views.size, 0);
});

t.test("the view not asked for longest goes; a watched one stays", async (t) => {
  const { allocator, views } = viewsOf({ viewsMax: 3 });
  const id = (n: number) => `show-${n}` as ShowId;
  views.watch(id(0), { delta: () => undefined, snapshot: () => undefined });
  for (const n of [0, 1, 2]) await views.read(id(n));
  await views.read(id(1));
  await views.read(id(3));
  t.ok(views.peek(id(0)), "watched");
  t.ok(views.peek(id(1)), "asked for lately");
  t.notOk(views.peek(id(2)));
  t.equal(views.size, 3);
  allocator.emit({ ...update(1, 0, [[0, 1]]), showId: id(2) });
  t.equal(views.size, 3, "an update of a show nobody asks about makes no view");
});

t.test("a watched show hears of everything, and is tried again until it can be read", async (t) => {
  const { allocator, views, time } = viewsOf();
  const heard: string[] = [];
  views.watch(SHOW, {
    delta: ({ version }, previous) => heard.push(`delta ${previous} to ${version}`),
    snapshot: (view) => heard.push(`snapshot ${view.version}`),
  });
  allocator.override = () => ({ kind: "snapshot", snapshot: snapshot(1, 5, "0000") });
  await views.read(SHOW);
  allocator.emit(update(1, 5, [[0, 1]]));
  const reads = heldBack(allocator);
  allocator.emit(update(1, 8, [[1, 1]]));
  await settled();
  reads.answer("fault");
  await settled();
  t.equal(reads.count(), 0, "not at once");
  await time.pass(500);
  reads.answer(snapshot(1, 9, "1100"));
  await settled();
  // Two turns in one: told from the version that was told last.
  allocator.emit({ ...update(1, 8, [[2, 1]]), version: 11 });
  t.same(heard, ["snapshot 5", "delta 5 to 6", "snapshot 9", "delta 9 to 11"]);
  allocator.emit(update(1, 20, [[2, 1]]));
  await settled();
  reads.answer("fault");
  await settled();
  views.unwatch(SHOW);
  t.same(time.armed, [], "and no longer than somebody watches");
});

t.test("bytes are rendered once for a version", async (t) => {
  const { views, allocator } = viewsOf();
  const first = await views.read(SHOW);
  const again = await views.read(SHOW);
  if (first.kind !== "view" || again.kind !== "view") return t.fail("no view");
  const bytes = first.view.bytes(false);
  t.equal(again.view.bytes(false), bytes);
  allocator.emit(update(1, 0, [[0, 3]]));
  t.not(again.view.bytes(false), bytes);
  t.match(JSON.parse(Buffer.from(bytes).toString()), { version: 0, status: "0000" }, "what was handed out stays");
});
