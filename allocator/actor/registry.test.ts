// Goal: a show is loaded once, answers everybody, is never forgotten while something in it has a deadline, and takes
// no turn in a time that may turn out to be an outage. Method: a journal in memory, time and the store by hand.

import t from "tap";
import type { BookingId, ShowId } from "../../shared/kernel/ids.ts";
import {
  byQuantity,
  bySeats,
  confirm,
  holdIdOf,
  newOperation,
  newSession,
  placeHold,
} from "../../test/harness/allocator.ts";
import { TERMS } from "../../test/harness/fake-journal.ts";
import { House, OTHER, SHOW } from "../../test/harness/registry-house.ts";
import type { SettlePayment } from "../core/command.ts";

t.test("a show is loaded once; who came meanwhile is answered in order", async (t) => {
  const house = new House();
  const release = house.journal.hold("claim");
  house.take("a", placeHold(bySeats(0)));
  house.take("b", placeHold(bySeats(0)));
  await house.rest();
  house.take("c", "ReadSeatMap");
  t.same(house.heard, []);
  release();
  await house.rest();
  t.same(house.heard, ["a: held", "b: seats_taken", "c: snapshot"]);
  t.equal(house.journal.count("claim"), 1);
  t.equal(house.journal.shows.get(SHOW)?.epoch, 1);
  t.same(house.events(), ["HoldPlaced"], "nothing is recorded by loading alone");
});

t.test("many shows are claimed in one statement; a show that is not there is not found", async (t) => {
  const house = new House();
  for (let i = 0; i < 50; i += 1) house.take(`${i}`, "ReadSeatMap", `show-${i}` as ShowId);
  house.take("x", "ReadSeatMap", "unknown" as ShowId);
  await house.rest();
  t.equal(house.journal.count("claim"), 1);
  t.equal(house.heard.filter((line) => line.endsWith("snapshot")).length, 50);
  t.ok(house.heard.includes("x: not_found"));
  t.equal(house.registry.size, 50, "what is not there is not kept");
});

t.test("the mailbox of a loading show has its limit", async (t) => {
  const house = new House();
  const release = house.journal.hold("claim");
  for (let i = 0; i < 10_001; i += 1) house.take(`${i}`, "ReadSeatMap");
  await house.rest();
  t.same(house.heard, ["10000: overloaded"]);
  release();
  await house.rest();
  t.equal(house.heard.length, 10_001, "all are answered");
});

t.test("a hold expires by itself, at its moment", async (t) => {
  const house = new House();
  await house.ask("hold", placeHold(bySeats(0)));
  await house.pass(TERMS.holdTtlMs + TERMS.graceMs - 100);
  t.same(house.events(), ["HoldPlaced"]);
  await house.pass(100);
  t.same(house.events(), ["HoldPlaced", "HoldExpired"]);
});

t.test("a new owner expires what it finds, at its moment", async (t) => {
  const house = new House();
  await house.ask("hold", placeHold(bySeats(0)));
  house.registry.stop();
  const next = new House({ journal: house.journal });
  next.time.nowMs = house.time.nowMs + 100_000;
  void next.registry.activate(await house.journal.activeShows());
  await next.pass(TERMS.holdTtlMs + TERMS.graceMs - 100_000 - 100);
  t.same(house.events(), ["HoldPlaced"]);
  await next.pass(100);
  t.same(house.events(), ["HoldPlaced", "HoldExpired"]);
});

t.test("a show that could not be loaded is loaded again: its deadlines are kept", async (t) => {
  const house = new House();
  await house.ask("hold", placeHold(bySeats(0)));
  house.journal.failing.add("claim");
  house.registry.dropAll();
  await house.rest();
  t.ok(house.journal.count("claim") > 1, "it was tried");
  house.journal.failing.delete("claim");
  await house.pass(TERMS.holdTtlMs + TERMS.graceMs);
  t.same(house.events(), ["HoldPlaced", "HoldExpired"]);
});

t.test("a show found at the start that cannot be loaded at once is loaded later", async (t) => {
  const house = new House();
  await house.ask("hold", placeHold(bySeats(0)));
  house.registry.stop();
  const next = new House({ journal: house.journal });
  next.time.nowMs = house.time.nowMs;
  house.journal.failing.add("claim");
  void next.registry.activate([SHOW]);
  await next.rest();
  house.journal.failing.delete("claim");
  await next.pass(TERMS.holdTtlMs + TERMS.graceMs);
  t.same(house.events(), ["HoldPlaced", "HoldExpired"]);
});

t.test("while the store is away nobody is asked and nothing expires; an outage moves the deadlines", async (t) => {
  const house = new House();
  await house.ask("hold", placeHold(bySeats(0)));
  await house.pass(TERMS.holdTtlMs);
  house.isStoreOpen = false;
  t.equal(await house.ask("a", placeHold(bySeats(1))), "a: store_unavailable");
  await house.pass(10_000);
  t.same(house.events(), ["HoldPlaced"]);
  house.journal.outages.push({ id: 1, byMs: 10_000 });
  house.registry.dropAll();
  house.isStoreOpen = true;
  await house.pass(TERMS.graceMs - 100);
  t.same(house.events(), ["HoldPlaced", "DeadlinesMoved"], "loaded by itself, moved, not expired");
  await house.pass(100);
  t.same(house.events(), ["HoldPlaced", "DeadlinesMoved", "HoldExpired"]);
});

t.test("an outage while a show is loading is not missed", async (t) => {
  const house = new House();
  await house.ask("hold", placeHold(bySeats(0)));
  await house.pass(TERMS.holdTtlMs);
  house.registry.dropAll();
  const release = house.journal.hold("claim");
  await house.pass(100);
  // It is claimed, and its answer is under way, when the store goes away.
  house.isStoreOpen = false;
  await house.pass(9_900);
  house.journal.outages.push({ id: 1, byMs: 9_900 });
  house.registry.dropAll();
  house.isStoreOpen = true;
  release();
  await house.pass(1_000);
  t.same(house.events(), ["HoldPlaced", "DeadlinesMoved"]);
  await house.pass(TERMS.graceMs);
  t.same(house.events(), ["HoldPlaced", "DeadlinesMoved", "HoldExpired"]);
});

t.test("a show whose loading ends while the store is away takes no turn", async (t) => {
  const house = new House();
  await house.ask("hold", placeHold(bySeats(0)));
  await house.pass(TERMS.holdTtlMs);
  house.registry.dropAll();
  const release = house.journal.hold("claim");
  house.take("read", "ReadSeatMap");
  await house.rest();
  house.isStoreOpen = false;
  await house.pass(10_000);
  release();
  await house.rest();
  t.same(house.events(), ["HoldPlaced"], "the outage is not recorded yet: nothing may be settled");
  t.same(house.heard, ["read: store_unavailable"]);
});

t.test("a cold row that arrives while the store is away makes no turn", async (t) => {
  const house = new House();
  await house.ask("hold", placeHold(bySeats(0)));
  await house.pass(TERMS.holdTtlMs);
  const release = house.journal.hold("cold");
  const nobodys = holdIdOf(SHOW, placeHold(bySeats(9)));
  house.take("read", { kind: "ReadBooking", session: newSession(), bookingId: nobodys });
  await house.rest();
  house.isStoreOpen = false;
  await house.pass(10_000);
  release();
  await house.rest();
  t.same(house.events(), ["HoldPlaced"], "the outage is not recorded yet: nothing may be settled");
  t.same(house.heard, ["read: again"]);
});

t.test("a conflict quarantines its show, and no other", async (t) => {
  const house = new House();
  house.journal.conflicting.add(SHOW);
  house.take("a", placeHold(bySeats(0)));
  house.take("b", placeHold(bySeats(0)), OTHER);
  await house.rest();
  t.same(house.heard.sort(), ["a: again", "b: held"]);
  t.equal(await house.ask("a", placeHold(bySeats(1))), "a: show_quarantined");
  t.equal(await house.ask("b", placeHold(bySeats(1)), OTHER), "b: held");
  await house.pass(10_000);
  t.equal(house.journal.calls.filter(({ call, about }) => call === "claim" && about.includes(SHOW)).length, 1);
});

t.test("a show loaded anew tells the views and polls to read again", async (t) => {
  const house = new House();
  t.equal(await house.ask("a", placeHold(bySeats(0))), "a: held");
  house.registry.dropAll();
  house.updates.length = 0;
  t.equal(await house.ask("map", "ReadSeatMap"), "map: snapshot");
  const seq = house.journal.shows.get(SHOW)?.seq;
  t.match(house.updates, [{ showId: SHOW, epoch: 2, previous: seq, version: seq, changes: [], touched: [] }]);
});

t.test("an unknown outcome: claimed and loaded anew, the retry takes effect once", async (t) => {
  const house = new House();
  await house.ask("warm", "ReadSeatMap");
  const hold = placeHold(bySeats(0));
  house.journal.failing.add("commit");
  t.equal(await house.ask("hold", hold), "hold: again");
  house.journal.failing.delete("commit");
  t.equal(await house.ask("hold", hold), "hold: held");
  t.equal(await house.ask("hold", hold), "hold: held");
  t.same(house.events(), ["HoldPlaced"]);
  t.equal(house.journal.shows.get(SHOW)?.epoch, 2);
});

t.test("a turn that fails ends its actor; five such and the show is quarantined", async (t) => {
  const house = new House();
  for (let i = 0; i < 4; i += 1) {
    t.equal(await house.ask("bad", placeHold(byQuantity(11))), "bad: again");
    t.equal(await house.ask("good", placeHold(bySeats(i))), "good: held");
  }
  t.equal(await house.ask("bad", placeHold(byQuantity(11))), "bad: again");
  t.equal(await house.ask("good", placeHold(bySeats(8))), "good: show_quarantined");
});

t.test("two owners of one show do not steal it from one another without pause", async (t) => {
  const house = new House();
  await house.ask("hold", placeHold(bySeats(0)));
  const claims = house.journal.count("claim");
  house.journal.steal(SHOW);
  t.equal(await house.ask("read", "ReadSeatMap"), "read: again");
  await house.pass(500);
  t.equal(house.journal.count("claim"), claims, "not claimed at once when lost");
  t.equal(await house.ask("read", "ReadSeatMap"), "read: snapshot", "but when it is asked");
  house.journal.steal(SHOW);
  await house.ask("read", "ReadSeatMap");
  await house.pass(TERMS.holdTtlMs + TERMS.graceMs);
  t.same(house.events(), ["HoldPlaced", "HoldExpired"], "and nobody's deadline is forgotten");
});

t.test("idle shows beyond the limit are let go, those with holds are not", async (t) => {
  const house = new House({ showsMax: 10 });
  for (let i = 0; i < 5; i += 1) await house.ask("hold", placeHold(bySeats(0)), `held-${i}` as ShowId);
  for (let i = 0; i < 50; i += 1) await house.ask("read", "ReadSeatMap", `idle-${i}` as ShowId);
  t.ok(house.registry.size <= 11, `${house.registry.size} shows`);
  t.equal(await house.ask("again", "ReadSeatMap", "idle-0" as ShowId), "again: snapshot");
  const before = house.journal.count("claim");
  for (let i = 0; i < 5; i += 1) await house.ask("read", "ReadSeatMap", `held-${i}` as ShowId);
  t.equal(house.journal.count("claim"), before, "the held ones stayed");
});

t.test("after an outage only the shows with something in them are loaded by themselves", async (t) => {
  const house = new House();
  await house.ask("hold", placeHold(bySeats(0)), "held" as ShowId);
  for (let i = 0; i < 50; i += 1) await house.ask("read", "ReadSeatMap", `idle-${i}` as ShowId);
  house.registry.dropAll();
  t.equal(house.registry.size, 0);
  await house.pass(2_000);
  t.equal(house.registry.size, 1);
});

t.test("changed terms are recorded at the next loading, once", async (t) => {
  const house = new House();
  await house.ask("hold", placeHold(bySeats(0)));
  house.journal.catalogueTerms = { ...TERMS, prices: [2_000] };
  house.registry.dropAll();
  await house.pass(1_000);
  t.same(house.events(), ["HoldPlaced", "TermsChanged"]);
});

t.test("an unfinished payment is handed on at loading, as it was committed", async (t) => {
  const house = new House();
  const session = newSession();
  const hold = placeHold(bySeats(0), session);
  await house.ask("hold", hold);
  await house.ask("pay", confirm(holdIdOf(SHOW, hold), session));
  t.match(house.unfinished, [{ payment: { state: "begun" } }]);
  house.unfinished.length = 0;
  house.isStoreOpen = false;
  house.registry.dropAll();
  await house.pass(200_000);
  // Its deadline has passed, and what is recorded at loading settles it: that is not committed yet.
  house.journal.catalogueTerms = { ...TERMS, prices: [2_000] };
  house.isStoreOpen = true;
  const release = house.journal.hold("commit");
  await house.pass(1_000);
  t.match(house.unfinished, [{ payment: { state: "begun" } }]);
  release();
  await house.rest();
  t.match(house.unfinished[1], { payment: { state: "voiding" } });
});

t.test("a hold released with a key is released once, also after its actor ended", async (t) => {
  const house = new House();
  const session = newSession();
  const hold = placeHold(bySeats(0), session);
  await house.ask("hold", hold);
  const release = { kind: "ReleaseHold", session, operation: newOperation(), bookingId: holdIdOf(SHOW, hold) } as const;
  t.equal(await house.ask("release", release), "release: released");
  house.registry.dropAll();
  t.equal(await house.ask("release", release), "release: released");
  const other = { ...release, operation: { ...release.operation, requestHash: -1 } };
  t.equal(await house.ask("release", other), "release: idempotency_key_reused");
  t.same(house.events(), ["HoldPlaced", "HoldReleased"]);
});

t.test("a cancelled show is cleared without being asked, cold rows too, not while the store is away", async (t) => {
  const house = new House();
  const sold = { ...confirm(await houseHold(house, 0), ANN), paymentToken: "pm_card_visa" };
  await house.ask("confirm", sold);
  await house.ask("paid", settled(sold.bookingId, { kind: "authorised", reference: "pi_1" }));
  await house.ask("captured", settled(sold.bookingId, { kind: "captured" }));
  await houseHold(house, 1);
  house.journal.catalogueTerms = { ...TERMS, cancelled: true };
  house.journal.failing.add("booked");
  house.registry.dropAll();
  await house.pass(1_000);
  t.same(house.events().slice(-2), ["TermsChanged", "HoldReleased"], "what is in memory");
  t.ok(house.journal.count("booked") >= 1 && house.journal.count("booked") <= 2, "asked again after a pause");
  t.equal(house.journal.shows.get(SHOW)?.active, true);
  house.isStoreOpen = false;
  house.journal.failing.delete("booked");
  await house.pass(3_000);
  t.equal(house.events().at(-1), "HoldReleased", "no turn while the store is away");
  house.isStoreOpen = true;
  await house.pass(2_000);
  t.same(house.events().slice(-1), ["BookingCancelled"]);
  t.match(house.unfinished.at(-1), { status: "cancelled", reason: "show_cancelled", payment: { state: "refunding" } });
  await house.ask("refunded", settled(sold.bookingId, { kind: "refunded" }));
  t.equal(house.journal.shows.get(SHOW)?.active, false);
  const asked = house.journal.count("booked");
  await house.pass(5_000);
  t.equal(house.journal.count("booked"), asked, "nothing more is looked for");
});

t.test("a row that was read and has been cancelled meanwhile is not cancelled twice", async (t) => {
  const house = new House();
  const sold = confirm(await houseHold(house, 0), ANN);
  await house.ask("confirm", sold);
  await house.ask("paid", settled(sold.bookingId, { kind: "authorised", reference: "pi_1" }));
  await house.ask("captured", settled(sold.bookingId, { kind: "captured" }));
  const release = house.journal.hold("booked");
  await house.ask("terms", { kind: "ChangeTerms", terms: { ...TERMS, cancelled: true } });
  await house.pass(300);
  t.equal(house.journal.count("booked"), 1);
  const operation = newOperation();
  const cancel = { kind: "CancelBooking", session: ANN, operation, bookingId: sold.bookingId } as const;
  t.equal(await house.ask("cancel", cancel), "cancel: cancelled");
  await house.ask("refunded", settled(sold.bookingId, { kind: "refunded" }));
  release();
  await house.pass(3_000);
  t.equal(house.events().filter((kind) => kind === "BookingCancelled").length, 1);
  t.equal(await house.ask("again", cancel), "again: cancelled");
});

const ANN = newSession();

async function houseHold(house: House, seat: number): Promise<BookingId> {
  const command = placeHold(bySeats(seat), ANN);
  await house.ask("hold", command);
  return holdIdOf(SHOW, command);
}

const settled = (bookingId: BookingId, outcome: SettlePayment["outcome"]): SettlePayment => ({
  kind: "SettlePayment",
  bookingId,
  attempt: 1,
  outcome,
});
