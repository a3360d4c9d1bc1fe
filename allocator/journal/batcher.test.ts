// Goal: every question is answered once, by a batch that began after it was asked, within the limits.

import t from "tap";
import { FakeTime, settled } from "../../waitlist/poll/fake-time.ts";
import { Batcher } from "./batcher.ts";

interface Asked {
  readonly questions: readonly number[];
  answer(): void;
  fail(error: Error): void;
}

function batcher({ batchMax = 100, batchesAtOnceMax = 1 } = {}) {
  const time = new FakeTime();
  const asked: Asked[] = [];
  const batches = new Batcher<number, string>({
    ask: (questions) =>
      new Promise((resolve, reject) => {
        asked.push({ questions, answer: () => resolve(questions.map((n) => `answer ${n}`)), fail: reject });
      }),
    batchMax,
    batchesAtOnceMax,
    timers: time,
  });
  return { time, asked, batches };
}

t.test("what one tick asks goes together", async (t) => {
  const { time, asked, batches } = batcher();
  const answers = Promise.all([1, 2, 3].map((n) => batches.ask(n)));
  await time.pass(0);
  t.same(
    asked.map((batch) => batch.questions),
    [[1, 2, 3]],
  );
  asked[0]?.answer();
  t.same(await answers, ["answer 1", "answer 2", "answer 3"]);
});

t.test("a question is never answered by a batch that began before it", async (t) => {
  const { time, asked, batches } = batcher();
  const first = batches.ask(1);
  await time.pass(0);
  let isAnswered = false;
  const second = batches.ask(2).then((answer) => {
    isAnswered = true;
    return answer;
  });
  asked[0]?.answer();
  await first;
  await settled();
  t.notOk(isAnswered, "the batch under way does not answer it");
  await time.pass(0);
  t.same(asked[1]?.questions, [2]);
  asked[1]?.answer();
  t.equal(await second, "answer 2");
});

t.test("at most so many in a batch and batches at once; the rest follows", async (t) => {
  const { time, asked, batches } = batcher({ batchMax: 2, batchesAtOnceMax: 2 });
  const answers = Promise.all([1, 2, 3, 4, 5, 6, 7].map((n) => batches.ask(n)));
  await time.pass(0);
  t.same(
    asked.map((batch) => batch.questions),
    [
      [1, 2],
      [3, 4],
    ],
  );
  for (let i = 0; i < 4; i += 1) {
    asked[i]?.answer();
    await settled();
    await time.pass(0);
    t.ok(asked.length <= i + 3, "two at once");
  }
  t.same(
    await answers,
    [1, 2, 3, 4, 5, 6, 7].map((n) => `answer ${n}`),
  );
});

t.test("a failure is every question's of its batch, and of no other", async (t) => {
  const { time, asked, batches } = batcher();
  const outcomes = [1, 2].map((n) => batches.ask(n).catch((error: Error) => error.message));
  await time.pass(0);
  const later = batches.ask(3);
  asked[0]?.fail(new Error("away"));
  t.same(await Promise.all(outcomes), ["away", "away"]);
  await time.pass(0);
  asked[1]?.answer();
  t.equal(await later, "answer 3");
});

t.test("a call that throws at once rejects like any other", async (t) => {
  const time = new FakeTime();
  const batches = new Batcher<number, number>({
    ask: () => {
      throw new Error("at once");
    },
    batchMax: 1,
    batchesAtOnceMax: 1,
    timers: time,
  });
  const outcomes = [1, 2].map((n) => batches.ask(n).catch((error: Error) => error.message));
  await time.pass(0);
  await time.pass(0);
  t.same(await Promise.all(outcomes), ["at once", "at once"]);
});
