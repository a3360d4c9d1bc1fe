// Goal: a line outlives its owner, in order, with its offers and versions; what is due in it is done by whoever loads it,
// at once and without being asked. Method: as in registry.test.ts.

import t from "tap";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { WaiterView } from "../../shared/protocol/reply.ts";
import {
  bySeats,
  holdIdOf,
  InLine,
  joinLine,
  newSession,
  placeHold,
  release,
  waiterIn,
} from "../../test/harness/allocator.ts";
import { TERMS } from "../../test/harness/fake-journal.ts";
import { House, SHOW } from "../../test/harness/registry-house.ts";
import { ABSENT_AFTER_MS, SEEN_FOR_MS } from "../../waitlist/core/waiter.ts";

const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];

/** A full show with so many in line for two seats each; the holds are of two seats each too. */
async function fullHouse(waiters: number, house = new House()) {
  const holds = ALL.filter((seat) => seat % 2 === 0).map((seat) => placeHold(bySeats(seat, seat + 1)));
  for (const hold of holds) await house.ask("hold", hold);
  const line: InLine[] = [];
  for (let i = 0; i < waiters; i += 1) {
    const join = joinLine(2);
    const heard = await house.ask("join", join);
    if (heard !== "join: waiting") throw new Error(heard);
    line.push(new InLine(SHOW, join));
  }
  const giveUp = (i: number) => {
    const hold = holds[i] as (typeof holds)[0];
    return release(holdIdOf(SHOW, hold), hold.session);
  };
  return { house, line, giveUp };
}

/** As it is recorded: the estimate is from what the owner itself saw, and begins anew with it. */
async function poll(house: House, own: InLine | undefined): Promise<WaiterView> {
  if (own === undefined) throw new Error("nobody");
  await house.ask("poll", own.poll());
  if (typeof house.answer !== "object") throw new Error("no answer");
  return { ...waiterIn(house.answer), estimatedWaitMs: undefined };
}

const views = async (house: House, line: readonly InLine[]): Promise<WaiterView[]> => {
  const found: WaiterView[] = [];
  for (const own of line) found.push(await poll(house, own));
  return found;
};

t.test(
  "the line as it was, after its actor ended: order, offers, versions; nothing is recorded by loading",
  async (t) => {
    const { house, line, giveUp } = await fullHouse(5);
    await house.ask("release", giveUp(0));
    await house.ask("leave", (line[2] as InLine).leave());
    await house.ask("lower", (line[3] as InLine).lower(1));
    const before = await views(house, line);
    t.same(
      before.map(({ status, position }) => [status, position]),
      [
        ["offered", 0],
        ["waiting", 1],
        ["cancelled", 0],
        ["waiting", 2],
        ["waiting", 3],
      ],
    );
    const events = house.events();
    house.registry.dropAll();
    await house.pass(1_000);
    t.same(await views(house, line), before);
    t.same(house.events(), events);
    await house.ask("release", giveUp(1));
    t.equal((await poll(house, line[1])).status, "offered", "and the next is served");
  },
);

t.test("seats that were free when the owner died are offered by the next, unasked", async (t) => {
  const { house, line, giveUp } = await fullHouse(2);
  await house.ask("release", giveUp(0));
  house.registry.stop();
  // As an owner would leave it that died between two turns: seats that somebody could have been offered.
  const stored = house.journal.shows.get(SHOW);
  if (stored === undefined) throw new Error("no show");
  stored.seats = `${stored.seats.slice(0, 8)}00`;
  const last = [...stored.bookings.values()].find(({ seats }) => seats[0] === 8);
  if (last !== undefined) last.status = "released";
  const next = new House({ journal: house.journal });
  next.time.nowMs = house.time.nowMs + 1_000;
  void next.registry.activate(await house.journal.activeShows());
  await next.rest();
  t.equal(stored.waiters.get(line[1]?.waiterId ?? "")?.status, "offered");
  t.same(house.events().at(-1), "OfferMade");
});

t.test("an offer that nobody takes goes to the next by itself, also under a new owner", async (t) => {
  const { house, line, giveUp } = await fullHouse(2);
  await house.ask("release", giveUp(0));
  house.registry.dropAll();
  await house.pass(TERMS.offerTtlMs + TERMS.graceMs - 100);
  await views(house, line);
  t.equal(house.events().at(-1), "OfferMade");
  await house.pass(100);
  t.same(house.events().slice(-2), ["OfferLapsed", "OfferMade"]);
  t.same(
    (await views(house, line)).map(({ status }) => status),
    ["lapsed", "offered"],
  );
});

t.test("after loading everybody counts as seen; who stays away is passed over, then absent", async (t) => {
  const { house, line, giveUp } = await fullHouse(2);
  await house.pass(SEEN_FOR_MS);
  await house.ask("release", giveUp(0));
  t.same(
    [...(house.journal.shows.get(SHOW)?.waiters.values() ?? [])].map(({ status }) => status),
    ["waiting", "waiting"],
    "nobody is there: the seats are anybody's",
  );
  house.registry.dropAll();
  await house.rest();
  const { waiters } = house.journal.shows.get(SHOW) as { waiters: ReadonlyMap<string, { status: string }> };
  t.equal(waiters.get(line[0]?.waiterId ?? "")?.status, "offered", "now the first of them is taken to be there");
  t.equal(waiters.get(line[1]?.waiterId ?? "")?.status, "waiting");
  await house.pass(ABSENT_AFTER_MS);
  t.equal(waiters.get(line[1]?.waiterId ?? "")?.status, "absent");
});

t.test("a poll within the minute keeps the place in turn, without anything being written", async (t) => {
  const { house, line, giveUp } = await fullHouse(2);
  const commits = house.journal.count("commit");
  for (let i = 0; i < 5; i += 1) {
    await house.pass(SEEN_FOR_MS - 1_000);
    t.equal((await poll(house, line[0])).position, 1);
  }
  const { waiters } = house.journal.shows.get(SHOW) as { waiters: ReadonlyMap<string, { status: string }> };
  t.equal(house.journal.count("commit"), commits);
  await house.ask("release", giveUp(0));
  t.equal((await poll(house, line[0])).status, "offered");
  await house.pass(6_000);
  t.equal(waiters.get(line[1]?.waiterId ?? "")?.status, "absent", "who did not poll at all is out");
});

t.test("an outage moves the ends of places and offers, for whoever loads them next too", async (t) => {
  const { house, line, giveUp } = await fullHouse(3);
  await house.ask("release", giveUp(0));
  const before = await views(house, line);
  house.isStoreOpen = false;
  await house.pass(10_000);
  house.journal.outages.push({ id: 1, byMs: 10_000 });
  house.registry.dropAll();
  house.isStoreOpen = true;
  await house.pass(1_000);
  t.equal(house.events().at(-1), "DeadlinesMoved");
  const moved = await views(house, line);
  const { seq = 0 } = house.journal.shows.get(SHOW) ?? {};
  t.same(
    moved.map(({ expiresAt, offer, version }) => [expiresAt, offer?.expiresAt, version]),
    before.map(({ expiresAt, offer, version }) => [
      expiresAt + 10_000,
      offer && offer.expiresAt + 10_000,
      offer === undefined ? version : seq,
    ]),
  );
  house.registry.dropAll();
  await house.pass(1_000);
  t.same(await views(house, line), moved, "it was written");
  const left = (moved[0]?.offer?.expiresAt ?? 0) + TERMS.graceMs - house.time.nowMs;
  await house.pass(left - 100);
  t.equal(house.events().at(-1), "DeadlinesMoved");
  await views(house, line);
  await house.pass(100);
  t.equal(house.events().at(-1), "OfferMade", "the offer lapsed at its moved end");
});

t.test("an outage is recorded for a show that has nothing but somebody in line", async (t) => {
  const { house, line } = await fullHouse(1);
  const stored = house.journal.shows.get(SHOW);
  for (const booking of stored?.bookings.values() ?? []) booking.status = "booked";
  if (stored !== undefined) stored.seats = "2222222200";
  house.journal.outages.push({ id: 1, byMs: 10_000 });
  house.registry.dropAll();
  await house.pass(1_000);
  t.ok(house.events().includes("DeadlinesMoved"));
  t.equal((await poll(house, line[0])).status, "offered");
});

t.test("the cutoff closes the line by itself, and a cancelled show at its next loading", async (t) => {
  const { house, line } = await fullHouse(3);
  house.journal.catalogueTerms = { ...TERMS, salesCutoffAt: house.time.nowMs + 30_000 };
  house.registry.dropAll();
  await house.pass(29_000);
  t.same(
    (await views(house, line)).map(({ status }) => status),
    ["waiting", "waiting", "waiting"],
  );
  await house.pass(1_000);
  t.same(house.events().slice(-3), ["WaiterLeft", "WaiterLeft", "WaiterLeft"]);

  const other = await fullHouse(2, new House());
  other.house.journal.catalogueTerms = { ...TERMS, cancelled: true };
  other.house.registry.dropAll();
  await other.house.pass(1_000);
  t.same(
    (await views(other.house, other.line)).map(({ status }) => status),
    ["closed", "closed"],
  );
});

t.test("a show that sells out sends its line home, however long, without being asked", async (t) => {
  const { house, line } = await fullHouse(1_200);
  for (const booking of house.journal.shows.get(SHOW)?.bookings.values() ?? []) booking.status = "booked";
  const stored = house.journal.shows.get(SHOW);
  if (stored !== undefined) stored.seats = "2222222222";
  house.registry.dropAll();
  await house.rest();
  t.equal((stored?.log.at(-1)?.events.length ?? 0) <= 500, true, "in turns of a bounded size");
  t.equal([...(stored?.waiters.values() ?? [])].filter(({ status }) => status === "hopeless").length, 1_200);
  t.equal((await poll(house, line[7])).status, "hopeless");
  t.equal(stored?.active, false);
});

t.test("the notice of a reload says how many seats are claimed", async (t) => {
  const { house, giveUp } = await fullHouse(0);
  const join = joinLine(3);
  await house.ask("join", join);
  await house.ask("release", giveUp(0));
  house.registry.dropAll();
  house.updates.length = 0;
  t.equal(await house.ask("map", "ReadSeatMap"), "map: snapshot");
  t.match(house.updates, [{ queued: 2, changes: [], touched: [] }]);
  t.match(house.answer, { snapshot: { queued: 2, status: "0011111111" } });
});

t.test("a join whose outcome is unknown takes one place, however often it is asked", async (t) => {
  const { house, line } = await fullHouse(1);
  const join = joinLine(2);
  const own = new InLine(SHOW, join);
  house.journal.failing.add("commit");
  t.equal(await house.ask("join", join), "join: again");
  house.journal.failing.delete("commit");
  t.equal(await house.ask("join", join), "join: waiting");
  t.equal(await house.ask("join", join), "join: waiting");
  t.equal((await poll(house, own)).position, 2);
  t.equal(await house.ask("other", joinLine(1, own.session)), "other: already_waiting");
  t.equal(house.events().filter((kind) => kind === "WaiterJoined").length, 1 + line.length);
});

t.test("shows in which somebody waits are not let go for others", async (t) => {
  const { house, line } = await fullHouse(1, new House({ showsMax: 5 }));
  for (let i = 0; i < 20; i += 1) await house.ask("read", "ReadSeatMap", `idle-${i}` as ShowId);
  const claims = house.journal.count("claim");
  await poll(house, line[0]);
  t.equal(house.journal.count("claim"), claims);
});

t.test("an old owner's joins are not written, and its reads never leave", async (t) => {
  const { house, line } = await fullHouse(1);
  house.journal.steal(SHOW);
  t.equal(await house.ask("poll", (line[0] as InLine).poll()), "poll: again");
  house.journal.steal(SHOW);
  t.equal(await house.ask("join", joinLine(1, newSession())), "join: waiting", "asked again it is claimed anew");
});
