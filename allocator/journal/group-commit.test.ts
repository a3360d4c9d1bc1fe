// Goal: every participant that is ready is sealed and settled, one entry at a time each (G1), as late as can be (G2).
// Method: a journal whose statements end when the test says so.

import t from "tap";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { FakeTime, settled } from "../../waitlist/poll/fake-time.ts";
import { GroupCommit, type GroupCommitOptions, type Participant } from "./group-commit.ts";
import type { CommitEntry, CommitOutcome } from "./journal.ts";

interface Statement {
  readonly shows: readonly string[];
  end(outcomes?: readonly CommitOutcome[]): void;
}

function lanes(options: Partial<GroupCommitOptions> = {}) {
  const time = new FakeTime();
  const statements: Statement[] = [];
  const commits = new GroupCommit({
    journal: {
      commit: (entries) =>
        new Promise((resolve) => {
          const shows = entries.map((entry) => entry.showId);
          statements.push({
            shows,
            end: (outcomes) => resolve([...(outcomes ?? shows.map(() => "committed" as const))]),
          });
        }),
    },
    timers: time,
    lanesMax: 2,
    entriesPerStatementMax: 4,
    secondLaneFrom: 3,
    ...options,
  });
  return { time, statements, commits };
}

/** As an actor does it: ready when it has something and nothing is under way. */
class Writer implements Participant {
  readonly showId: ShowId;
  toWrite = 0;
  rows = 1;
  underWay = 0;
  readonly outcomes: CommitOutcome[] = [];
  readonly #commits: GroupCommit;

  constructor(name: string | number, commits: GroupCommit) {
    this.showId = `show-${name}` as ShowId;
    this.#commits = commits;
  }

  write(): void {
    this.toWrite += 1;
    if (this.underWay === 0) this.#commits.ready(this);
  }

  seal(): CommitEntry | undefined {
    if (this.toWrite === 0) return undefined;
    if (this.underWay > 0) throw new Error(`${this.showId} was sealed with an entry under way`);
    this.underWay = this.toWrite;
    this.toWrite = 0;
    const { rows } = this;
    const turns = new Array(this.underWay).fill({});
    return {
      showId: this.showId,
      turns,
      bookings: [],
      waiters: { length: rows },
      waitersMoved: 0,
    } as unknown as CommitEntry;
  }

  settled(outcome: CommitOutcome): void {
    this.underWay = 0;
    this.outcomes.push(outcome);
    if (this.toWrite > 0) this.#commits.ready(this);
  }
}

const writers = (count: number, commits: GroupCommit): Writer[] =>
  Array.from({ length: count }, (_, i) => new Writer(i, commits));

t.test("what one tick brings goes into one statement; ready twice is ready once", async (t) => {
  const { time, statements, commits } = lanes();
  const [a, b] = writers(2, commits) as [Writer, Writer];
  a.write();
  b.write();
  a.write();
  await time.pass(0);
  t.same(
    statements.map((statement) => statement.shows),
    [["show-0", "show-1"]],
  );
  statements[0]?.end(["committed", "fenced"]);
  await settled();
  t.same([a.outcomes, b.outcomes], [["committed"], ["fenced"]]);
});

t.test("a busy lane takes the few that wait with its next statement; many get the second lane", async (t) => {
  const { time, statements, commits } = lanes();
  const all = writers(6, commits);
  (all[0] as Writer).write();
  await time.pass(0);
  (all[1] as Writer).write();
  (all[2] as Writer).write();
  await time.pass(0);
  t.equal(statements.length, 1, "two waiting are too few for a second lane");
  (all[3] as Writer).write();
  await time.pass(0);
  t.same(statements[1]?.shows, ["show-1", "show-2", "show-3"]);
  for (const writer of all) writer.write();
  await time.pass(0);
  t.equal(statements.length, 2, "two lanes, no more");
  for (let i = 0; i < statements.length; i += 1) {
    statements[i]?.end();
    await settled();
    await time.pass(0);
  }
  t.same(
    all.map((writer) => writer.outcomes.length),
    [2, 2, 2, 2, 1, 1],
  );
});

t.test("a statement has its limit; what is left goes with the next, nobody is forgotten", async (t) => {
  const { time, statements, commits } = lanes({ lanesMax: 1 });
  const all = writers(10, commits);
  for (const writer of all) writer.write();
  for (let i = 0; i < 3; i += 1) {
    await time.pass(0);
    statements[i]?.end();
    await settled();
  }
  t.same(
    statements.map((statement) => statement.shows.length),
    [4, 4, 2],
  );
  t.ok(all.every((writer) => writer.outcomes.length === 1));
});

t.test("one with nothing to write any more is passed over, also when it is the only one", async (t) => {
  const { time, statements, commits } = lanes();
  const gone = new Writer("gone", commits);
  commits.ready(gone);
  const drained = commits.drained();
  await time.pass(0);
  await drained;
  t.equal(statements.length, 0);
  const alive = new Writer("alive", commits);
  commits.ready(gone);
  alive.write();
  await time.pass(0);
  t.same(statements[0]?.shows, ["show-alive"]);
});

t.test("an answer that says too little is unknown", async (t) => {
  const { time, statements, commits } = lanes();
  const [a, b] = writers(2, commits) as [Writer, Writer];
  a.write();
  b.write();
  await time.pass(0);
  statements[0]?.end(["committed"]);
  await settled();
  t.same([a.outcomes, b.outcomes], [["committed"], ["unknown"]]);
});

t.test("drained waits for what waits and for what is under way", async (t) => {
  const { time, statements, commits } = lanes({ lanesMax: 1, entriesPerStatementMax: 1 });
  await commits.drained();
  const [a, b] = writers(2, commits) as [Writer, Writer];
  a.write();
  b.write();
  let isDrained = false;
  const drained = commits.drained().then(() => {
    isDrained = true;
  });
  for (let i = 0; i < 2; i += 1) {
    await time.pass(0);
    t.notOk(isDrained);
    statements[i]?.end();
    await settled();
  }
  await drained;
  t.same([a.outcomes, b.outcomes], [["committed"], ["committed"]]);
});

t.test("random load: each entry is settled once, never two of a show at once", async (t) => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return seed % below;
  };
  const { time, statements, commits } = lanes({ lanesMax: 3 });
  const all = writers(20, commits);
  let ended = 0;
  for (let step = 0; step < 20_000; step += 1) {
    all[random(20)]?.write();
    if (random(3) === 0) await time.pass(0);
    if (random(3) === 0 && ended < statements.length) {
      statements[ended]?.end();
      ended += 1;
      await settled();
    }
  }
  const drained = commits.drained();
  while (all.some((writer) => writer.toWrite > 0 || writer.underWay > 0)) {
    await time.pass(0);
    for (; ended < statements.length; ended += 1) statements[ended]?.end();
    await settled();
  }
  await drained;
  t.equal(
    all.reduce((sum, writer) => sum + writer.outcomes.length, 0),
    statements.reduce((sum, statement) => sum + statement.shows.length, 0),
  );
  t.ok(statements.length > 1_000);
});

t.test("a statement ends with the entry that makes it too long, and never before it has one", async (t) => {
  const { time, statements, commits } = lanes({ entriesPerStatementMax: 100, lanesMax: 1 });
  const all = writers(5, commits);
  for (const [i, rows] of [6_000, 6_000, 50_000, 1, 1].entries()) {
    const writer = all[i] as Writer;
    writer.rows = rows;
    writer.write();
  }
  for (let i = 0; i < 3; i += 1) {
    await time.pass(0);
    statements[i]?.end();
    await settled();
  }
  t.same(
    statements.map(({ shows }) => shows),
    [["show-0", "show-1"], ["show-2"], ["show-3", "show-4"]],
  );
});
