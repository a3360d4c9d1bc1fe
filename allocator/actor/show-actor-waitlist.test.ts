// Goal: what a line adds to the output gate. Every change of a waiter is in one entry with whatever caused it, is told to
// the views and polls, and is forgotten when it is over and committed. Method: as in show-actor.test.ts.

import t from "tap";
import { type ShowId, type WaiterId, waiterIdOf } from "../../shared/kernel/ids.ts";
import { NO_ROWS, SHOW, Stage } from "../../test/harness/actor-stage.ts";
import {
  bySeats,
  InLine,
  joinLine,
  newOperation,
  newSession,
  placeHold,
  release,
  waiterIdIn,
  waiterIn,
} from "../../test/harness/allocator.ts";
import { TERMS } from "../../test/harness/fake-journal.ts";
import { SEEN_FOR_MS, type Waiter } from "../../waitlist/core/waiter.ts";
import type { CommitEntry } from "../journal/journal.ts";
import { WAITERS_PER_BATCH_MAX } from "./outbox.ts";
import { AGAIN } from "./show-actor.ts";

/** A full show: seats 0 and 1 are one session's, the others another's. */
async function fullHouse(stage = new Stage()) {
  const session = newSession();
  const pair = await stage.held(bySeats(0, 1), session);
  const rest = await stage.held(bySeats(2, 3, 4, 5, 6, 7, 8, 9));
  return { stage, giveUp: () => release(pair, session), pair, rest };
}

/** Somebody in line, committed. */
async function joined(stage: Stage, quantity: number, session = newSession()) {
  const join = joinLine(quantity, session);
  stage.take("join", join);
  await stage.commitAll();
  stage.answers.length = 0;
  stage.updates.length = 0;
  return { join, own: new InLine(SHOW, join) };
}

const statuses = (entry: CommitEntry | undefined): string[] => (entry?.waiters ?? []).map((waiter) => waiter.status);

t.test("a place in line is told when it is committed, and so is its row", async (t) => {
  const { stage } = await fullHouse();
  const join = joinLine(2);
  const id = waiterIdIn(SHOW, join);
  stage.take("join", join);
  const entry = stage.seal();
  t.match(entry, { active: true, bookings: [], operations: [], waitersMovedMs: 0 });
  t.match(entry?.waiters, [{ id, session: join.session, place: 4, status: "waiting", version: 4, quantity: 2 }]);
  t.same(stage.heard(), []);
  await stage.settle();
  t.same(stage.heard(), ["update 4: done", "join: waiting"]);
  t.match(stage.updates, [{ version: 4, touched: [id], changes: [] }]);
  const { answer } = stage.answers[1] ?? {};
  t.match(typeof answer === "object" && waiterIn(answer), { id, position: 1, version: 4, offer: undefined });
});

t.test("seats that are freed and their offer are one entry; so are a refusal of it and the next offer", async (t) => {
  const { stage, giveUp, pair } = await fullHouse();
  const first = await joined(stage, 2);
  const second = await joined(stage, 2);
  stage.take("release", giveUp());
  let entry = stage.seal();
  t.match(entry?.turns, [{ events: [{ kind: "HoldReleased" }, { kind: "OfferMade", seats: [0, 1] }] }]);
  t.match(entry?.waiters, [{ id: first.own.waiterId, status: "offered", offer: { seats: [0, 1] } }]);
  t.equal(entry?.seats, "1111111111");
  await stage.settle();
  t.match(stage.updates.pop(), { touched: [pair, first.own.waiterId] });

  stage.take("decline", first.own.decline());
  entry = stage.seal();
  t.same(statuses(entry), ["declined", "offered"]);
  t.match(entry?.operations, [{ subject: first.own.waiterId }]);
  await stage.settle();
  t.match(stage.updates.pop(), { touched: [first.own.waiterId, second.own.waiterId] });

  stage.take("leave", second.own.leave());
  t.same(statuses(stage.seal()), ["cancelled"]);
  await stage.settle();
  t.same(
    stage.updates.pop()?.changes,
    [
      [0, 0],
      [1, 0],
    ],
    "the offered seats are told free, though the offer is no more",
  );
  t.same(
    stage.heard().filter((line) => !line.startsWith("update")),
    ["release: released", "decline: declined", "leave: cancelled"],
  );
});

t.test("an offer that lapses is told, and is not in the entry that was under way before", async (t) => {
  const { stage, giveUp } = await fullHouse();
  const { own } = await joined(stage, 2);
  stage.take("release", giveUp());
  const entry = stage.seal();
  stage.nowMs += TERMS.offerTtlMs + TERMS.graceMs;
  stage.take("tick", { kind: "Tick" });
  t.same(statuses(entry), ["offered"], "a copy");
  await stage.settle();
  t.same(statuses(stage.seal()), ["lapsed"]);
  await stage.settle();
  t.match(stage.updates.at(-1)?.touched, [own.waiterId]);
  t.same(stage.updates.at(-1)?.changes, [
    [0, 0],
    [1, 0],
  ]);
});

t.test("an offer taken up: the hold is answered, the entry has both", async (t) => {
  const { stage, giveUp } = await fullHouse();
  const { own } = await joined(stage, 2);
  stage.take("release", giveUp());
  await stage.commitAll();
  stage.answers.length = 0;
  const accept = own.accept();
  stage.take("accept", accept);
  const entry = stage.seal();
  t.match(entry?.waiters, [{ status: "accepted", offer: undefined, holdId: entry?.bookings[0]?.id }]);
  t.match(entry?.bookings, [{ status: "held", seats: [0, 1], session: own.session }]);
  await stage.settle();
  t.same(stage.heard().slice(1), ["accept: held"]);
  t.equal(stage.entry?.bookings[0]?.id, `${SHOW}.${accept.operation.id}`);
});

t.test("the seats that waiters claim are counted as queued", async (t) => {
  const { stage, giveUp } = await fullHouse();
  await joined(stage, 3);
  stage.take("release", giveUp());
  await stage.commitAll();
  t.match(stage.updates.at(-1), { queued: 2 });
  stage.readSeatMap("map");
  await stage.ownAll();
  t.match(stage.answers.at(-1)?.answer, { snapshot: { status: "0011111111", queued: 2 } });
  t.equal(stage.actor.queuedSeats(), 2);
});

t.test("a poll is recorded nowhere, yet the moment is planned from which its waiter is unseen", async (t) => {
  const { stage } = await fullHouse();
  const { own } = await joined(stage, 2);
  stage.nowMs += SEEN_FOR_MS + 1_000;
  stage.take("tick", { kind: "Tick" });
  stage.deadlines.length = 0;
  stage.take("poll", own.poll());
  t.equal(stage.seal(), undefined, "nothing to commit");
  t.equal(Math.min(...stage.deadlines), stage.nowMs + SEEN_FOR_MS);
  await stage.ownAll();
  t.same(stage.heard(), ["tick: done", "poll: waiting"]);
});

t.test("with nobody in line nothing is planned for reads", async (t) => {
  const { stage } = await fullHouse();
  stage.deadlines.length = 0;
  stage.readSeatMap("map");
  t.same(stage.deadlines, []);
});

t.test("a show with somebody in line is not idle; when all is over nothing of it stays in memory", async (t) => {
  const stage = new Stage();
  const session = newSession();
  const all = await stage.held(bySeats(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), session);
  const { own } = await joined(stage, 2);
  stage.take("release", release(all, session));
  await stage.commitAll();
  t.notOk(stage.actor.isIdle(), "an offer is open");
  t.equal(stage.entry?.active, true, "a takeover loads it at once");
  stage.take("decline", own.decline());
  stage.seal();
  t.notOk(stage.actor.isIdle(), "its end is not committed");
  await stage.settle();
  t.ok(stage.actor.isIdle());
  stage.take("poll", own.poll());
  t.same(
    stage.colds.held.map(({ query }) => query.waiter),
    [own.waiterId],
    "it is read from the table now",
  );
});

/** Somebody whose place in line is over, and its row. */
async function finished(stage: Stage) {
  const { join, own } = await joined(stage, 2);
  const leave = own.leave();
  stage.take("leave", leave);
  const row = stage.seal()?.waiters[0] as Waiter;
  await stage.settle();
  stage.answers.length = 0;
  return { join, own, leave, row };
}

t.test("a finished waiter is read, answered from and forgotten; nobody else's session finds it", async (t) => {
  const { stage } = await fullHouse();
  const { own, row } = await finished(stage);
  stage.take("poll", own.poll());
  stage.take("stranger", { ...own.poll(), session: newSession() });
  while (stage.colds.held.length > 0) await stage.colds.held.shift()?.answer({ ...NO_ROWS, waiter: { ...row } });
  t.same(stage.heard(), [], "the gate is for these too");
  await stage.ownAll();
  t.same(stage.heard(), ["poll: cancelled", "stranger: not_found"]);
  stage.take("again", own.poll());
  t.equal(stage.colds.held.length, 1, "it was not kept");
});

t.test("what a key made in the line is found again: the place it took, the leaving it asked for", async (t) => {
  const { stage } = await fullHouse();
  const { join, leave, row } = await finished(stage);
  const other = { ...join, operation: { ...join.operation, requestHash: -1 } };
  const answers = [
    { name: "join", command: join, rows: { ...NO_ROWS, operationWaiter: { ...row } } },
    { name: "other", command: other, rows: { ...NO_ROWS, operationWaiter: { ...row } } },
    {
      name: "leave",
      command: leave,
      rows: {
        ...NO_ROWS,
        waiter: { ...row },
        operation: { ...leave.operation, at: row.endedAt ?? 0, subject: leave.waiterId },
      },
    },
  ];
  for (const { name, command, rows } of answers) {
    stage.take(name, command);
    for (let asked = stage.colds.held.shift(); asked !== undefined; asked = stage.colds.held.shift()) {
      t.equal(asked.query.operation ?? command.operation.id, command.operation.id);
      await asked.answer(rows);
    }
    await stage.ownAll();
  }
  t.same(stage.heard(), ["join: cancelled", "other: idempotency_key_reused", "leave: cancelled"]);
  t.match(stage.answers[0]?.answer, { replayed: true });
  t.equal(stage.seal(), undefined, "nothing happened");
});

t.test("a waiter of another show is asked for nowhere", async (t) => {
  const stage = new Stage();
  const waiterId = waiterIdOf("elsewhere" as ShowId, newOperation().id);
  stage.take("poll", { kind: "ReadWaiter", session: newSession(), waiterId });
  t.match(stage.colds.held[0]?.query, { showId: SHOW, waiter: undefined });
  await stage.colds.held.shift()?.answer(NO_ROWS);
  await stage.ownAll();
  t.same(stage.heard(), ["poll: not_found"]);
  t.ok(stage.actor.isIdle());
});

t.test("a waiter made, ended and committed while it was being read is found, and forgotten afterwards", async (t) => {
  const { stage } = await fullHouse();
  const join = joinLine(2);
  const own = new InLine(SHOW, join);
  stage.take("early", own.poll());
  stage.take("join", join);
  await stage.commitAll();
  stage.take("leave", own.leave());
  await stage.commitAll();
  stage.answers.length = 0;
  // Read before any of it was in the table.
  await stage.colds.held.shift()?.answer(NO_ROWS);
  await stage.ownAll();
  t.same(stage.heard(), ["early: cancelled"]);
  stage.take("late", own.poll());
  t.equal(stage.colds.held.length, 1, "nothing of it stays in memory");
});

t.test("a row older than its end does not bring a waiter back into the line", async (t) => {
  const { stage, giveUp } = await fullHouse();
  const { own, row } = await finished(stage);
  const old: Waiter = { ...row, status: "waiting", endedAt: undefined };
  stage.take("poll", own.poll());
  await stage.colds.held.shift()?.answer({ ...NO_ROWS, waiter: old, operationWaiter: old });
  stage.take("release", giveUp());
  t.same(statuses(stage.seal()), [], "nobody is there to be offered anything");
});

t.test("after an outage the offered hear of it one by one, the line moves as one", async (t) => {
  const { stage, giveUp } = await fullHouse();
  const offered = await joined(stage, 2);
  const waiting = await joined(stage, 2);
  stage.take("release", giveUp());
  await stage.commitAll();
  stage.nowMs += 10_000;
  stage.take("move", { kind: "MoveDeadlines", byMs: 10_000, outageId: 1 });
  let entry = stage.seal();
  t.equal(entry?.waitersMovedMs, 10_000);
  t.match(entry?.waiters, [{ id: offered.own.waiterId, version: entry?.seq }]);
  t.equal(entry?.waiters.length, 1);
  await stage.settle();
  // What happens to the others in the same entry is in their images, moved.
  stage.take("move", { kind: "MoveDeadlines", byMs: 5_000, outageId: 2 });
  stage.take("lower", waiting.own.lower(1));
  entry = stage.seal();
  t.equal(entry?.waitersMovedMs, 5_000);
  const image = entry?.waiters.find(({ id }) => id === waiting.own.waiterId);
  t.match(image, { quantity: 1, expiresAt: (image?.joinedAt ?? 0) + 3_600_000 + 15_000 });
});

/** Among many thousands a few keys have the fingerprint of another, and are looked up. */
async function answerLookUps(stage: Stage): Promise<void> {
  while (stage.colds.held.length > 0) await stage.colds.held.shift()?.answer(NO_ROWS);
}

/** Commits what comes, oldest first, and notes it. */
async function drain(stage: Stage, entries: CommitEntry[]): Promise<void> {
  for (let entry = stage.seal(); entry !== undefined; entry = stage.seal()) {
    entries.push(entry);
    await stage.settle();
  }
}

t.test("a line of 21,000 that is sent home leaves in entries that a store can take", async (t) => {
  const { stage } = await fullHouse();
  const joins: CommitEntry[] = [];
  for (const count of [15_000, 6_000]) {
    for (let i = 0; i < count; i += 1) stage.take("join", joinLine(1));
    await answerLookUps(stage);
    await drain(stage, joins);
  }
  t.equal(stage.heard().filter((line) => line === "join: waiting").length, 21_000);
  const closed: CommitEntry[] = [];
  stage.take("cancel", { kind: "ChangeTerms", terms: { ...TERMS, cancelled: true } });
  closed.push(stage.seal() as CommitEntry);
  while (stage.actor.nextDeadlineAt() <= stage.nowMs) stage.take("tick", { kind: "Tick" });
  await stage.settle();
  await drain(stage, closed);

  const last = new Map<WaiterId, string>();
  let seq = joins[0]?.previousSeq;
  for (const entry of [...joins, ...closed]) {
    t.equal(entry.previousSeq, seq, "no entry is left out");
    t.equal(entry.turns.at(-1)?.seq, entry.seq);
    seq = entry.seq;
    for (const waiter of entry.waiters) last.set(waiter.id, waiter.status);
  }
  t.same(
    [...joins, ...closed].map((entry) => entry.waiters.length),
    [10_000, 5_000, 6_000, 0, 10_000, 10_000, 1_000],
  );
  t.same(new Set(last.values()), new Set(["closed"]));
  t.equal(last.size, 21_000);
  t.match(stage.updates.at(-1), { version: seq });
});

t.test("an actor that ends with closed entries waiting: only the one under way counts", async (t) => {
  const { stage } = await fullHouse();
  stage.take("first", joinLine(1));
  stage.seal();
  for (let i = 0; i < WAITERS_PER_BATCH_MAX; i += 1) stage.take("closed", joinLine(1));
  await answerLookUps(stage);
  stage.take("refused", placeHold(bySeats(0)));
  stage.take("open", joinLine(1));
  t.same(stage.answers, []);
  stage.actor.die("dropped");
  t.equal(stage.answers.length, WAITERS_PER_BATCH_MAX + 2);
  t.ok(stage.answers.every(({ answer }) => answer === AGAIN));
  stage.answers.length = 0;
  await stage.settle();
  t.same(stage.heard(), ["update 4: done", "first: waiting"]);
  t.equal(stage.seal(), undefined);
});

t.test("a waiter that ended while a look-up failed is forgotten all the same", async (t) => {
  const { stage } = await fullHouse();
  const join = joinLine(2);
  const own = new InLine(SHOW, join);
  stage.take("early", own.poll());
  stage.take("join", join);
  await stage.commitAll();
  stage.take("leave", own.leave());
  await stage.commitAll();
  stage.answers.length = 0;
  await stage.colds.held.shift()?.fail();
  t.same(stage.heard(), ["early: again"]);
  stage.take("late", own.poll());
  t.equal(stage.colds.held.length, 1, "nothing of it stays in memory");
});

t.test("what is queued is told when it changes by who polls and who does not, and no more than once", async (t) => {
  const { stage, giveUp } = await fullHouse();
  const { own } = await joined(stage, 3);
  stage.take("release", giveUp());
  await stage.commitAll();
  t.match(stage.updates, [{ version: 5, queued: 2 }]);
  stage.updates.length = 0;
  stage.nowMs += SEEN_FOR_MS;
  stage.take("tick", { kind: "Tick" });
  stage.take("tick", { kind: "Tick" });
  t.match(stage.updates, [{ previous: 5, version: 5, changes: [], queued: 0, touched: [] }]);
  t.equal(stage.updates.length, 1);
  t.notOk(stage.updates[0]?.isReload);
  stage.take("poll", own.poll());
  t.match(stage.updates[1], { previous: 5, version: 5, queued: 2 });
  t.equal(stage.seal(), undefined, "nothing is recorded of it");
});

t.test("what is queued is told after the commit that was under way when it changed", async (t) => {
  const { stage, giveUp } = await fullHouse();
  await joined(stage, 3);
  stage.take("release", giveUp());
  stage.seal();
  stage.nowMs += SEEN_FOR_MS;
  stage.take("tick", { kind: "Tick" });
  t.same(stage.updates, [], "the version it goes with is not committed yet");
  await stage.settle();
  t.match(
    stage.updates.map(({ version, queued }) => [version, queued]),
    [
      [5, 2],
      [5, 0],
    ],
  );
});
