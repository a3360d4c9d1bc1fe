// Goal: whatever is lost on the way, no seat map stays old and no poll sleeps through it. Method: an allocator that says
// that something was lost; time by hand.

import t from "tap";
import type { ShowId } from "../shared/kernel/ids.ts";
import { FakeTime, settled } from "../waitlist/poll/fake-time.ts";
import { PollLot } from "../waitlist/poll/parking.ts";
import { FakeAllocator, FakeShows } from "./fake-allocator.ts";
import { connectFeed } from "./feed.ts";
import { SeatViews } from "./seat-views.ts";

const SHOW = "show-1" as ShowId;

function stage() {
  const time = new FakeTime();
  const allocator = new FakeAllocator(4, time.now);
  const views = new SeatViews({ allocator, shows: new FakeShows(4), timers: time });
  const lot = new PollLot({ timers: time, clock: time });
  const end = connectFeed({ allocator, views, lot });
  const park = (group: string, id: string) => {
    const poll = { woken: 0 };
    void lot
      .enter(group, id)
      ?.rest(30_000)
      .then(() => {
        poll.woken += 1;
      });
    return poll;
  };
  return { time, allocator, views, lot, end, park };
}

t.test("a loss: every view is read again when next asked for, at once where somebody watches", async (t) => {
  const { allocator, views } = stage();
  const watched = "show-2" as ShowId;
  const snapshots: number[] = [];
  views.watch(watched, { delta: () => undefined, snapshot: ({ version }) => snapshots.push(version) });
  await views.read(SHOW);
  await views.read(watched);
  t.not(views.peek(SHOW), undefined);
  const asked = allocator.asked.length;
  // Committed, and nobody was told.
  for (const showId of [SHOW, watched]) {
    const show = allocator.showOf(showId);
    show.version += 1;
    show.seats[0] = 2;
  }
  allocator.lose();
  await settled();
  t.equal(views.peek(SHOW), undefined);
  t.same(
    allocator.asked.slice(asked).map(({ showId }) => showId),
    [watched],
  );
  t.same(snapshots, [0, 1]);
  const read = await views.read(SHOW);
  t.match(read.kind === "view" ? Buffer.from(read.view.bytes(false)).toString() : "", /"status":"2000"/);
});

t.test("a loss while a snapshot is on its way: what it says is not taken for the present", async (t) => {
  const { allocator, views } = stage();
  allocator.override = (showId, command) => {
    const reply = allocator.answer(showId, command);
    allocator.lose();
    return reply;
  };
  const first = await views.read(SHOW);
  t.ok(first.kind === "view" && first.isStale);
  allocator.override = undefined;
  const second = await views.read(SHOW);
  t.ok(second.kind === "view" && !second.isStale);
});

t.test("a loss wakes every poll of every show, a few hundred a tick (P4)", async (t) => {
  const { time, allocator, park } = stage();
  // A few in each of many shows: a batch is a batch over all of them.
  const polls = Array.from({ length: 3_000 }, (_, i) => park(`show-${i % 1_000}`, `w${i}`));
  const woken = (): number => polls.reduce((sum, poll) => sum + poll.woken, 0);
  allocator.lose();
  await settled();
  t.equal(woken(), 500);
  await time.pass(0);
  t.equal(woken(), 3_000);
});

t.test("losses that follow one another keep nobody waiting: who stands last is woken too", async (t) => {
  const { time, allocator, lot } = stage();
  let lastWoken = 0;
  // They come back at once, as polls without news do.
  const comeBack = async (id: string): Promise<void> => {
    const place = lot.enter(SHOW, id);
    for (; (await place?.rest(30_000)) === "changed"; ) if (id === "w1999") lastWoken += 1;
  };
  for (let i = 0; i < 2_000; i += 1) void comeBack(`w${i}`);
  await settled();
  for (let i = 0; i < 12; i += 1) {
    allocator.lose();
    const [next] = time.armed.filter(({ at }) => at <= time.nowMs);
    if (next !== undefined) {
      time.clearTimeout(next);
      next.callback();
    }
    await settled();
  }
  t.ok(lastWoken >= 2, `${lastWoken}`);
  lot.close();
});

t.test("a loss after the last one is over is another one", async (t) => {
  const { time, allocator, park } = stage();
  allocator.lose();
  const poll = park(SHOW, "w1");
  allocator.lose();
  await time.pass(0);
  t.equal(poll.woken, 1);
});

t.test("ended, it hears nothing more", async (t) => {
  const { allocator, end, park, time } = stage();
  const poll = park(SHOW, "w1");
  end();
  allocator.lose();
  await time.pass(0);
  t.equal(poll.woken, 0);
  t.equal(allocator.listenerCount, 0);
});
