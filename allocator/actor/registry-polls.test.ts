// Goal: who waits with parked polls and nothing else is never taken to be away, whoever owns the show meanwhile.
// Method: the registry on time by hand, asked by the gateways' own long polls, one after another.

import t from "tap";
import type { Reply } from "../../shared/protocol/reply.ts";
import { bySeats, holdIdOf, InLine, joinLine, placeHold, release, waiterIn } from "../../test/harness/allocator.ts";
import { House, SHOW } from "../../test/harness/registry-house.ts";
import { SEEN_FOR_MS } from "../../waitlist/core/waiter.ts";
import { longPoll } from "../../waitlist/poll/long-poll.ts";
import { PollLot, WAIT_MAX_MS } from "../../waitlist/poll/parking.ts";

/** Polls as long as it may, again and again, as long as there is no news. Answers what it was told at last. */
async function waitInLine(house: House, lot: PollLot, own: InLine): Promise<Reply> {
  let version = -1;
  const read = (): Promise<Reply> =>
    new Promise((answer) => {
      house.registry.take(SHOW, own.poll(), (reply) => {
        if (typeof reply === "symbol" || reply.kind === "moved") throw new Error("nobody else is there");
        answer(reply);
      });
    });
  for (;;) {
    const reply = await longPoll<Reply>(lot, house.time, {
      group: SHOW,
      id: own.waiterId,
      waitMs: version < 0 ? 0 : WAIT_MAX_MS,
      read,
      isNews: (news) => waiterIn(news).version !== version,
      onGone: () => undefined,
      offGone: () => undefined,
    });
    if (reply === undefined) throw new Error("there is no room");
    if (waiterIn(reply).status !== "waiting") return reply;
    version = waiterIn(reply).version;
  }
}

t.test("parked polls keep their waiter in line for as long as they go on, across takeovers too", async (t) => {
  const house: House = new House({
    onCommitted: (update) => {
      if (update.isReload) parked.wakeGroup(update.showId);
      else parked.wake(update.showId, update.touched);
    },
  });
  const parked = new PollLot({ timers: house.time, clock: house.time });
  const hold = placeHold(bySeats(0, 1));
  await house.ask("hold", hold);
  await house.ask("hold", placeHold(bySeats(2, 3, 4, 5, 6, 7, 8, 9)));
  const [polls, sleeps] = [joinLine(2), joinLine(2)];
  t.equal(await house.ask("join", sleeps), "join: waiting");
  t.equal(await house.ask("join", polls), "join: waiting");
  let told: Reply | undefined;
  void waitInLine(house, parked, new InLine(SHOW, polls)).then((reply) => {
    told = reply;
  });
  const waiter = (join: typeof polls) => house.journal.shows.get(SHOW)?.waiters.get(new InLine(SHOW, join).waiterId);
  await house.pass(SEEN_FOR_MS + WAIT_MAX_MS);
  house.registry.dropAll();
  await house.pass(SEEN_FOR_MS + WAIT_MAX_MS);
  t.equal(told, undefined);
  await house.ask("release", release(holdIdOf(SHOW, hold), hold.session));
  await house.pass(100);
  t.equal(told === undefined ? "nothing" : waiterIn(told).status, "offered", "its parked poll hears of its turn");
  t.equal(waiter(sleeps)?.status, "waiting", "who asks nothing is passed over");
});
