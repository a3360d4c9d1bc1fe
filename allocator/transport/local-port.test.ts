// Goal: every question is answered once, within its deadline, and never says "nothing happened" of a command that may
// have happened (L2). Method: a registry that answers what the test has put down, time by hand.

import t from "tap";
import { bookingIdOf, type ShowId } from "../../shared/kernel/ids.ts";
import type { Command } from "../../shared/protocol/command.ts";
import type { BookingStatus, BookingView, Fault, Reply } from "../../shared/protocol/reply.ts";
import type { ShowTerms } from "../../shared/protocol/terms.ts";
import { bySeats, confirm, newOperation, newSession, placeHold } from "../../test/harness/allocator.ts";
import { TERMS } from "../../test/harness/fake-journal.ts";
import { FakeTime, settled } from "../../waitlist/poll/fake-time.ts";
import { AGAIN, type Answer } from "../actor/show-actor.ts";
import type { ShowCommand } from "../core/command.ts";
import type { PaymentSaga } from "../payments/saga.ts";
import { LocalPort } from "./local-port.ts";

const SHOW = "show-1" as ShowId;
const DONE: Reply = { kind: "done" };
const fault = (code: Fault["code"]): Reply => ({
  kind: "fault",
  fault: { code, outcome: "none", retryAfterMs: 1_000 },
});
const booking = (status: BookingStatus): Reply => ({
  kind: "booking",
  booking: { id: bookingIdOf(SHOW, newOperation().id), status } as BookingView,
  replayed: false,
});

class Counter {
  readonly time = new FakeTime();
  /** What the show answers, one after the other; a missing one never comes. */
  answers: Answer[] = [];
  readonly asked: (ShowCommand | "ReadSeatMap")[] = [];
  readonly watched: string[] = [];
  termsFail = false;
  terms: () => Promise<ShowTerms> = async () => TERMS;
  endWatch: () => void = () => undefined;
  readonly port: LocalPort;

  constructor({ withSaga = false } = {}) {
    const saga = {
      watch: () => {
        this.watched.push("begun");
        return {
          outcome: (boundMs: number) =>
            new Promise<void>((resolve) => {
              this.endWatch = resolve;
              this.time.setTimeout(resolve, boundMs);
            }),
          end: () => this.watched.push("ended"),
        };
      },
    } as unknown as PaymentSaga;
    this.port = new LocalPort({
      registry: {
        take: (_, command, reply) => {
          this.asked.push(command);
          const answer = this.answers.shift();
          if (answer !== undefined) reply(answer);
        },
      },
      journal: {
        terms: async () => {
          if (this.termsFail) throw new Error("away");
          return this.terms();
        },
        log: async () => [],
      },
      saga: withSaga ? saga : undefined,
      timers: this.time,
      now: this.time.now,
      random: () => 0.5,
      unready: () => [],
    });
  }

  ask(command: Command, passMs = 0, deadlineMs = 5_000): Promise<Reply | "nothing yet"> {
    return this.#heard(this.port.ask(SHOW, command, deadlineMs), passMs);
  }

  serve(command: Command, passMs = 0): Promise<Awaited<ReturnType<LocalPort["serve"]>> | "nothing yet"> {
    return this.#heard(this.port.serve(SHOW, command, 5_000), passMs);
  }

  async #heard<T>(asking: Promise<T>, passMs: number): Promise<T | "nothing yet"> {
    let heard: T | "nothing yet" = "nothing yet";
    void asking.then((reply) => {
      heard = reply;
    });
    await settled();
    await this.time.pass(passMs);
    await settled();
    return heard;
  }
}

const hold = placeHold(bySeats(0));

t.test("an answer is an answer; no timer is left behind", async (t) => {
  const counter = new Counter();
  counter.answers = [booking("held")];
  t.match(await counter.ask(hold), { booking: { status: "held" } });
  t.equal(counter.time.armed.length, 0);
});

t.test("asked again with the same command until the show answers", async (t) => {
  const counter = new Counter();
  counter.answers = [AGAIN, AGAIN, AGAIN, booking("held")];
  t.match(await counter.ask(hold, 1_000), { booking: { status: "held" } });
  t.same(counter.asked, [hold, hold, hold, hold]);
});

t.test("past the deadline the outcome is pending, not a failure", async (t) => {
  const silent = new Counter();
  t.equal(await silent.ask(hold, 4_999), "nothing yet");
  t.match(await new Counter().ask(hold, 5_000), { fault: { code: "outcome_pending", outcome: "unknown" } });
  const busy = new Counter();
  busy.answers = new Array(1_000).fill(AGAIN);
  t.match(await busy.ask(hold, 5_000), { fault: { code: "outcome_pending", outcome: "unknown" } });
  t.ok(busy.asked.length > 100 && busy.asked.length <= 260, `asked ${busy.asked.length} times, with pauses`);
});

t.test("a fault at the first asking did nothing; after an unknown outcome nobody knows", async (t) => {
  const first = new Counter();
  first.answers = [fault("store_unavailable")];
  t.match(await first.ask(hold), { fault: { code: "store_unavailable", outcome: "none" } });
  const later = new Counter();
  later.answers = [AGAIN, fault("store_unavailable")];
  t.match(await later.ask(hold, 100), { fault: { code: "store_unavailable", outcome: "unknown" } });
});

t.test(
  "a show that moves after an unknown outcome, or in the middle of a payment: whoever is asked next hears so",
  async (t) => {
    const moved: Answer = { kind: "moved", owner: "n2", view: 7 };
    const plain = new Counter();
    plain.answers = [moved];
    t.same(await plain.serve(hold), moved);
    const later = new Counter();
    later.answers = [AGAIN, moved];
    t.same(await later.serve(hold, 100), { ...moved, isUncertain: true });
    const paying = new Counter({ withSaga: true });
    paying.answers = [booking("paying"), moved];
    const asking = paying.serve(confirm(bookingIdOf(SHOW, newOperation().id), newSession()), 2_000);
    t.same(await asking, { ...moved, isUncertain: true });
  },
);

t.test("a confirm that is paying waits for its outcome, and tells it", async (t) => {
  const counter = new Counter({ withSaga: true });
  const pay = confirm(bookingIdOf(SHOW, newOperation().id), newSession());
  counter.answers = [booking("paying"), booking("booked")];
  const asking = counter.ask(pay, 100);
  await settled();
  counter.endWatch();
  t.match(await asking, { booking: { status: "booked" } });
  t.same(counter.asked, [pay, pay]);
  t.same(counter.watched, ["begun", "ended"]);
});

t.test("it waits 2 s, no longer", async (t) => {
  const counter = new Counter({ withSaga: true });
  counter.answers = [booking("paying"), booking("paying")];
  const pay = confirm(bookingIdOf(SHOW, newOperation().id), newSession());
  t.equal(await counter.ask(pay, 1_999), "nothing yet");
  await counter.time.pass(1);
  await settled();
  t.same(counter.watched, ["begun", "ended"]);
  t.equal(counter.asked.length, 2);
});

t.test("a payment that was begun is paying, also when the show cannot be asked any more", async (t) => {
  const cases: readonly Answer[][] = [[fault("store_unavailable")], [AGAIN, fault("show_quarantined")], []];
  for (const answers of cases) {
    const counter = new Counter({ withSaga: true });
    counter.answers = [booking("paying"), ...answers];
    const pay = confirm(bookingIdOf(SHOW, newOperation().id), newSession());
    t.match(await counter.ask(pay, 8_000, 8_000), { booking: { status: "paying" } });
  }
});

t.test("a confirm that is not paying is answered at once, and watches no longer", async (t) => {
  const counter = new Counter({ withSaga: true });
  counter.answers = [{ kind: "refused", refusal: { code: "hold_expired", status: "expired" } }];
  const pay = confirm(bookingIdOf(SHOW, newOperation().id), newSession());
  t.match(await counter.ask(pay), { refusal: { code: "hold_expired" } });
  t.same(counter.watched, ["begun", "ended"]);
});

t.test("the log and the terms are read for a show that is there", async (t) => {
  const counter = new Counter();
  counter.answers = [DONE];
  t.same(await counter.ask({ kind: "ReadLog", after: 0, limit: 10 }), { kind: "log", entries: [] });
  counter.answers = [{ kind: "refused", refusal: { code: "not_found" } }];
  t.match(await counter.ask({ kind: "ReadLog", after: 0, limit: 10 }), { refusal: { code: "not_found" } });
  counter.answers = [DONE];
  t.same(await counter.ask({ kind: "RefreshTerms" }), DONE);
  t.same(counter.asked.at(-1), { kind: "ChangeTerms", terms: TERMS });
  counter.termsFail = true;
  t.match(await counter.ask({ kind: "RefreshTerms" }), { fault: { code: "store_unavailable" } });
});

t.test("of two changes of the terms at once the later one stays", async (t) => {
  const counter = new Counter();
  counter.answers = [DONE, DONE];
  const later = { ...TERMS, prices: [2_000] };
  let answerFirst: (terms: ShowTerms) => void = () => undefined;
  counter.terms = () => {
    counter.terms = async () => later;
    return new Promise((resolve) => {
      answerFirst = resolve;
    });
  };
  const first = counter.ask({ kind: "RefreshTerms" }, 100);
  const second = counter.ask({ kind: "RefreshTerms" }, 100);
  await settled();
  answerFirst(TERMS);
  t.same(await Promise.all([first, second]), [DONE, DONE]);
  t.same(counter.asked, [
    { kind: "ChangeTerms", terms: TERMS },
    { kind: "ChangeTerms", terms: later },
  ]);
});

t.test("every listener hears every update until it goes", async (t) => {
  const { port } = new Counter();
  const heard: string[] = [];
  const update = { showId: SHOW, epoch: 1, previous: 1, version: 2, changes: [], queued: 0, touched: [] };
  const leave = port.onUpdate(() => heard.push("a"));
  port.onUpdate(() => heard.push("b"));
  port.publish(update);
  leave();
  port.publish(update);
  t.same(heard, ["a", "b", "b"]);
});
