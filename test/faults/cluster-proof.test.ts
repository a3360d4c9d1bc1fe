// Goal: the proof of the fault tests finds each lie that it is there for. Method: a log of four turns, true to what its
// guests were told; then one thing changed at a time.

import t from "tap";
import type { ShowEvent } from "../../allocator/core/event.ts";
import { fail } from "../../shared/kernel/assert.ts";
import type { Heard } from "./cluster-client.ts";
import { ClusterHistory, type Refused } from "./cluster-history.ts";
import { type LogRow, proofOf, toldByShow } from "./cluster-proof.ts";

const NOTHING = new ClusterHistory();
const SHOW = { showId: "s", seats: ["A1", "A2"] };

const placed = (id: string, ...seats: number[]) => ({ kind: "HoldPlaced", id, seats }) as unknown as ShowEvent;
const released = (id: string) => ({ kind: "HoldReleased", id }) as unknown as ShowEvent;
const row = (seq: number, epoch: number, ...events: ShowEvent[]): LogRow => ({ seq, epoch, events });

/** a has A1, b has A2; a gives back and c takes it, from the next owner. */
const LOG = [row(1, 1, placed("a", 0)), row(2, 1, placed("b", 1)), row(3, 1, released("a")), row(4, 2, placed("c", 0))];

const at = (sentAt: number, answeredAt: number, body: object = {}): Heard => ({
  status: 200,
  body: body as Heard["body"],
  text: JSON.stringify(body),
  firstSentAt: sentAt,
  sentAt,
  answeredAt,
  door: "g1",
});

function told(): ClusterHistory {
  const history = new ClusterHistory();
  history.acknowledge("s", "HoldPlaced a", at(10, 11));
  history.acknowledge("s", "HoldPlaced b", at(20, 21));
  history.acknowledge("s", "HoldReleased a", at(30, 31));
  history.acknowledge("s", "HoldPlaced c", at(40, 41));
  return history;
}

const problems = (history: ClusterHistory, log: readonly LogRow[] = LOG, states = new Map<number, string>()) =>
  proofOf(SHOW, log, toldByShow(history).get("s") ?? NOTHING, [{ showId: "s", states }]).problems;

type Asked = Pick<Refused, "intent" | "quantity" | "seats">;
const lock = (...seats: string[]): Asked => ({ intent: "lock", quantity: seats.length || 1, seats });

function refusedAt(
  sentAt: number,
  answeredAt: number,
  code: string,
  asked: Asked,
  seats: string[] = [],
): readonly string[] {
  const history = told();
  history.refuse("s", asked, at(sentAt, answeredAt, { code, seats }));
  return problems(history);
}

t.test("a true history", async (t) => {
  t.same(
    problems(
      told(),
      LOG,
      new Map([
        [0, "00"],
        [2, "11"],
        [3, "01"],
        [4, "11"],
      ]),
    ),
    [],
  );
});

t.test("F1: an acknowledgement that is lost, doubled, or of the past", async (t) => {
  const lost = told();
  lost.acknowledge("s", "HoldPlaced d", at(50, 51));
  t.match(problems(lost), [/HoldPlaced d was acknowledged and is not in the log/]);
  const twice = [...LOG.slice(0, 3), row(4, 2, placed("a", 0)), row(5, 2, released("a")), row(6, 2, placed("c", 0))];
  t.match(problems(told(), twice).join(), /HoldPlaced a takes effect twice/);
  const past = new ClusterHistory();
  past.acknowledge("s", "HoldPlaced c", at(10, 11));
  past.acknowledge("s", "HoldPlaced b", at(20, 21));
  t.match(problems(past), [
    /HoldPlaced c .turn 4, epoch 2. was acknowledged before HoldPlaced b .turn 2, epoch 1. was/,
  ]);
});

t.test("F2: an epoch that goes back, a turn that is missing", async (t) => {
  const [first, second, third, fourth] = LOG.map((each) => each ?? fail("four turns"));
  if (!first || !second || !third || !fourth) return;
  t.match(problems(told(), [{ ...first, epoch: 2 }, second, third, fourth]), [
    /turn 2 is of epoch 1, the one before of 2/,
  ]);
  const without = new ClusterHistory();
  t.match(problems(without, [first, third, fourth]), [/turn 1 is followed by 3/]);
});

t.test("F3: refusals are right at some moment while they were asked", async (t) => {
  t.same(refusedAt(22, 23, "retry_held", lock()), [], "both are held then");
  t.same(refusedAt(22, 35, "retry_held", lock()), [], "and it was asked then");
  t.match(refusedAt(32, 33, "retry_held", lock()), [/refused with retry_held/], "A1 is free from turn 3 to turn 4");
  t.same(refusedAt(32, 33, "seats_taken", lock("A2"), ["A2"]), []);
  t.match(refusedAt(32, 33, "seats_taken", lock("A1"), ["A1"]), [/seats_taken/]);
  t.match(refusedAt(32, 33, "seats_taken", lock("A1", "A2"), ["A1", "A2"]), [/seats_taken/], "A1 is not");
  t.match(refusedAt(22, 23, "waitlist_active", lock()), [/waitlist_active/], "nobody waits");
  t.match(refusedAt(22, 23, "show_full", lock()), [/show_full/], "held is not sold");
  t.same(refusedAt(32, 33, "seats_available", { intent: "join", quantity: 1, seats: [] }), []);
  t.match(refusedAt(22, 23, "seats_available", { intent: "join", quantity: 1, seats: [] }), [/seats_available/]);
});

t.test("F4: seat maps that never were, or are too old", async (t) => {
  const mapAt = (sentAt: number, map: object): readonly string[] => {
    const history = told();
    history.see("s", at(sentAt, sentAt + 1, map));
    return problems(history);
  };
  t.same(mapAt(22, { epoch: 1, version: 2, status: "11" }), []);
  t.match(mapAt(22, { epoch: 1, version: 2, status: "10" }), [/the seat map in version 2 is 11, shown as 10/]);
  t.match(mapAt(32, { epoch: 1, version: 2, status: "11" }), [
    /version 2 of the seat map is shown after HoldReleased a/,
  ]);
  t.same(mapAt(32, { epoch: 1, version: 2, status: "11", stale: true }), [], "it says so");
  t.match(problems(told(), LOG, new Map([[3, "11"]])), [/s in version 3 is 01, a stream showed 11/]);
});
