// Goal: the output gate. No answer leaves before every event before it is committed (O1) or its owner is proven to be
// one (O2); a commit that fails ends the actor and everybody is told to ask again (O3); each is answered exactly once.
// Method: one actor, its commits, fence checks and cold reads in the hand of the test.

import t from "tap";
import { bookingIdOf } from "../../shared/kernel/ids.ts";
import { NO_ROWS, SHOW, Stage } from "../../test/harness/actor-stage.ts";
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
import { settled } from "../../waitlist/poll/fake-time.ts";
import type { Booking } from "../core/state.ts";
import { UNANSWERED_MAX } from "./show-actor.ts";

t.test("an answer leaves when its events are committed, after the update of the views", async (t) => {
  const stage = new Stage();
  stage.take("hold", placeHold(bySeats(0, 1)));
  await settled();
  t.same(stage.heard(), []);
  const entry = stage.seal();
  t.match(entry, { epoch: 7, previousSeq: 1, seq: 2, seats: "1100000000", active: true });
  t.same(stage.heard(), []);
  await stage.settle();
  t.same(stage.heard(), ["update 2: done", "hold: held"]);
  t.match(stage.updates, [
    {
      previous: 1,
      version: 2,
      changes: [
        [0, 1],
        [1, 1],
      ],
    },
  ]);
});

t.test("turns while an entry is under way go with the next, which follows by itself", async (t) => {
  const stage = new Stage();
  stage.take("first", placeHold(bySeats(0)));
  stage.seal();
  stage.take("second", placeHold(bySeats(1)));
  stage.take("third", placeHold(bySeats(2)));
  t.equal(stage.ready.size, 0, "not asked for while one is under way");
  await stage.settle();
  t.same(stage.heard().slice(1), ["first: held"]);
  const entry = stage.seal();
  t.match(entry, { previousSeq: 2, seq: 4 });
  t.equal(entry?.turns.length, 2);
  await stage.settle();
  t.same(stage.heard().slice(2), ["update 4: done", "second: held", "third: held"]);
  t.same(
    stage.updates.map(({ previous, version }) => [previous, version]),
    [
      [1, 2],
      [2, 4],
    ],
  );
});

t.test("an entry is a copy: what happens meanwhile is not in it", async (t) => {
  const stage = new Stage();
  const session = newSession();
  const hold = placeHold(bySeats(0), session);
  stage.take("hold", hold);
  const entry = stage.seal();
  stage.take("release", { kind: "ReleaseHold", session, operation: newOperation(), bookingId: holdIdOf(SHOW, hold) });
  t.equal(entry?.bookings[0]?.status, "held");
  t.equal(entry?.seats[0], "1");
  t.same(entry?.free, [9]);
});

t.test("a refusal waits for what was decided before it", async (t) => {
  const stage = new Stage();
  stage.take("hold", placeHold(bySeats(0)));
  stage.take("refused", placeHold(bySeats(0)));
  stage.seal();
  t.same(stage.heard(), []);
  await stage.settle();
  t.same(stage.heard(), ["update 2: done", "hold: held", "refused: seats_taken"]);
  t.equal(stage.fences.held.length, 0, "the commit was its proof");
});

t.test("a refusal with only a commit under way before it waits for that and for the fence", async (t) => {
  const stage = new Stage();
  stage.take("hold", placeHold(bySeats(0)));
  stage.seal();
  stage.take("refused", placeHold(bySeats(0)));
  t.equal(stage.fences.held.length, 1);
  await stage.ownAll();
  t.same(stage.heard(), [], "the fence alone is not enough");
  await stage.settle();
  t.same(stage.heard().slice(1), ["hold: held", "refused: seats_taken"]);
});

t.test("a bare answer of a deposed owner never leaves", async (t) => {
  const stage = new Stage();
  stage.readSeatMap("map");
  await settled();
  t.same(stage.heard(), []);
  t.equal(stage.fences.held[0]?.query, 7, "the fence is asked about its epoch");
  await stage.fences.held.shift()?.answer(false);
  t.same(stage.heard(), ["map: again"]);
  t.same(stage.deaths, ["fenced"]);
  stage.take("later", placeHold(bySeats(0)));
  t.same(stage.heard(), ["map: again", "later: again"]);
});

t.test("a fence that cannot be asked answers nothing and ends nobody", async (t) => {
  const stage = new Stage();
  stage.readSeatMap("map");
  await stage.fences.held.shift()?.fail();
  t.same(stage.heard(), ["map: again"]);
  t.same(stage.deaths, []);
});

for (const outcome of ["fenced", "unknown", "conflict"] as const) {
  t.test(`a commit that is ${outcome}: everybody asks again, nothing is told`, async (t) => {
    const stage = new Stage();
    stage.take("in it", placeHold(bySeats(0)));
    stage.seal();
    stage.take("bare", placeHold(bySeats(0)));
    stage.take("after it", placeHold(bySeats(1)));
    stage.take("refused after", placeHold(bySeats(1)));
    await stage.settle(outcome);
    await stage.ownAll();
    t.same(stage.heard().sort(), ["after it: again", "bare: again", "in it: again", "refused after: again"]);
    t.same(stage.deaths, [outcome]);
    t.equal(stage.actor.seal(), undefined, "nothing more is written");
    t.same([stage.updates, stage.unfinished], [[], []]);
  });
}

t.test("dropped with a commit under way: that commit still counts, the turns after it never were", async (t) => {
  const stage = new Stage();
  stage.take("in it", placeHold(bySeats(0)));
  stage.seal();
  stage.take("after it", placeHold(bySeats(1)));
  stage.actor.die("dropped");
  t.same(stage.heard(), ["after it: again"]);
  await stage.settle();
  t.same(stage.heard(), ["after it: again", "update 2: done", "in it: held"]);
  t.equal(stage.seal(), undefined);
  t.same(stage.deaths, ["dropped"], "it dies once");
});

t.test("a bug in a turn ends the actor, and everybody who waits asks again", async (t) => {
  const stage = new Stage();
  stage.take("good", placeHold(bySeats(0)));
  stage.take("bad", placeHold(byQuantity(11)));
  t.same(stage.heard(), ["good: again", "bad: again"]);
  t.same(stage.deaths, ["bug"]);
});

t.test("past the limit of answers that have not left it is overloaded, and then not any more", async (t) => {
  const stage = new Stage();
  for (let i = 0; i < UNANSWERED_MAX; i += 1) stage.take("waits", { kind: "Tick" });
  stage.take("too many", placeHold(bySeats(0)));
  stage.readSeatMap("too many too");
  t.same(stage.heard(), ["too many: overloaded", "too many too: overloaded"]);
  await stage.ownAll();
  stage.answers.length = 0;
  stage.take("again", placeHold(bySeats(0)));
  await stage.commitAll();
  t.same(stage.heard().slice(1), ["again: held"]);
});

t.test("the next deadline is told with each change", async (t) => {
  const stage = new Stage();
  stage.take("hold", placeHold(bySeats(0)));
  t.same(stage.deadlines, [stage.nowMs + TERMS.holdTtlMs + TERMS.graceMs]);
});

t.test("an idle show is idle: its booked rows are not kept, a live hold is", async (t) => {
  const stage = new Stage();
  const session = newSession();
  t.ok(stage.actor.isIdle());
  const id = await stage.held(bySeats(0), session);
  t.notOk(stage.actor.isIdle(), "a hold is waited for");
  stage.take("confirm", confirm(id, session));
  t.notOk(stage.actor.isIdle(), "not while something is uncommitted");
  stage.seal();
  t.notOk(stage.actor.isIdle());
  await stage.settle();
  t.same(stage.heard().slice(1), ["confirm: booked"]);
  t.ok(stage.actor.isIdle());
});

t.test("a cold booking is read, answered from and forgotten", async (t) => {
  const stage = new Stage();
  const session = newSession();
  const id = await stage.held(bySeats(0), session);
  stage.take("confirm", confirm(id, session));
  const row = stage.seal()?.bookings[0] as Booking;
  await stage.settle();
  stage.answers.length = 0;
  stage.take("read", { kind: "ReadBooking", session, bookingId: id });
  stage.take("stranger", { kind: "ReadBooking", session: newSession(), bookingId: id });
  t.same(
    stage.colds.held.map(({ query }) => query.booking),
    [id, id],
  );
  while (stage.colds.held.length > 0) await stage.colds.held.shift()?.answer({ ...NO_ROWS, booking: { ...row } });
  t.same(stage.heard(), [], "the gate is for these too");
  await stage.ownAll();
  t.same(stage.heard(), ["read: booked", "stranger: not_found"]);
  t.ok(stage.actor.isIdle());
});

t.test("a cold read that fails: ask again; the actor lives", async (t) => {
  const stage = new Stage();
  stage.take("read", { kind: "ReadBooking", session: newSession(), bookingId: bookingIdOf(SHOW, newOperation().id) });
  await stage.colds.held.shift()?.fail();
  t.same(stage.heard(), ["read: again"]);
  t.same(stage.deaths, []);
  t.ok(stage.actor.isIdle());
});

t.test("an actor that died while a cold row was read answers nothing", async (t) => {
  const stage = new Stage();
  stage.take("read", { kind: "ReadBooking", session: newSession(), bookingId: bookingIdOf(SHOW, newOperation().id) });
  stage.actor.die("dropped");
  await stage.colds.held.shift()?.answer(NO_ROWS);
  t.same(stage.heard(), ["read: again"]);
});

t.test("a booking made, ended and committed while it was being read is found, and forgotten afterwards", async (t) => {
  const stage = new Stage();
  const session = newSession();
  const hold = placeHold(bySeats(0), session);
  const id = holdIdOf(SHOW, hold);
  stage.take("early", { kind: "ReadBooking", session, bookingId: id });
  stage.take("hold", hold);
  await stage.commitAll();
  stage.take("confirm", confirm(id, session));
  await stage.commitAll();
  stage.answers.length = 0;
  // Read before any of it was in the table.
  await stage.colds.held.shift()?.answer(NO_ROWS);
  await stage.ownAll();
  t.same(stage.heard(), ["early: booked"]);
  t.ok(stage.actor.isIdle(), "nothing of it stays in memory");
});

t.test("a row that is older than its end does not come back to life", async (t) => {
  const stage = new Stage({ instantPayments: false });
  const session = newSession();
  const id = await stage.held(bySeats(0), session);
  const pay = confirm(id, session);
  stage.take("pay", pay);
  await stage.commitAll();
  const attempt = { kind: "SettlePayment", bookingId: id, attempt: 1 } as const;
  stage.take("authorised", { ...attempt, outcome: { kind: "authorised", reference: "pi_1" } });
  const old = { ...(stage.seal()?.bookings[0] as Booking) };
  await stage.settle();
  // Another booking is confirmed with the key of this one's payment, which the table still shows as authorised.
  const other = await stage.held(bySeats(1), session);
  stage.take("reused", confirm(other, session, { operation: { ...pay.operation, requestHash: -1 } }));
  stage.take("captured", { ...attempt, outcome: { kind: "captured" } });
  await stage.commitAll();
  await stage.colds.held.shift()?.answer({ ...NO_ROWS, operationBooking: old });
  await stage.ownAll();
  t.same(
    stage.heard().filter((line) => line.startsWith("reused")),
    ["reused: idempotency_key_reused"],
  );
  t.same(stage.actor.unfinished(), [], "its payment is at its end");
});

t.test("whoever drives payments hears of committed images only", async (t) => {
  const stage = new Stage({ instantPayments: false });
  const session = newSession();
  const id = await stage.held(bySeats(0), session);
  stage.take("pay", confirm(id, session));
  stage.seal();
  stage.nowMs += 120_000;
  stage.take("tick", { kind: "Tick" });
  await stage.settle();
  t.match(stage.unfinished, [[{ status: "paying", payment: { state: "begun" } }]], "its end is not committed yet");
  await stage.commitAll();
  t.match(stage.unfinished[1], [{ status: "released", payment: { state: "voiding" } }]);
});

t.test("whether a payment may begin is asked when one would, not by a confirm that comes again", async (t) => {
  const stage = new Stage({ instantPayments: false });
  const session = newSession();
  const id = await stage.held(bySeats(0), session);
  const paying = confirm(id, session);
  stage.take("confirm", paying);
  t.equal(stage.paymentsAsked, 1);
  await stage.commitAll();
  stage.take("the same again", paying);
  stage.take("another key", confirm(id, session));
  stage.take("of nobody", confirm(bookingIdOf(SHOW, newOperation().id), session));
  t.equal(stage.paymentsAsked, 1);
});
