// Goal: it opens for a provider that is away and for nothing less. Method: votes and time by hand.

import t from "tap";
import { BREAKER_FAILURES_MIN, BREAKER_WINDOW_MS, PaymentBreaker, PROMISE_MS } from "./breaker.ts";

const RESET_MS = 3_000;

function setUp() {
  const time = { now: 50_000 };
  const changes: string[] = [];
  const breaker = new PaymentBreaker({
    now: () => time.now,
    resetMs: RESET_MS,
    onChange: (state) => void changes.push(state),
  });
  const call = (payment: string, isFailure: boolean): boolean => {
    const admission = breaker.admit();
    if (admission !== undefined) breaker.ended(admission, payment, isFailure);
    return admission !== undefined;
  };
  const open = () => {
    for (let n = 0; n < BREAKER_FAILURES_MIN; n += 1) call(`fails-${n}`, true);
  };
  return { time, changes, breaker, call, open };
}

t.test("one payment that fails again and again is one vote", async (t) => {
  const { breaker, call } = setUp();
  for (let n = 0; n < 100; n += 1) call("a:1", true);
  t.ok(breaker.admits());
  for (let n = 2; n < BREAKER_FAILURES_MIN; n += 1) call(`${n}:1`, true);
  t.ok(breaker.admits(), "one less than it takes");
  call("last:1", true);
  t.notOk(breaker.admits());
});

t.test("while open one probe is promised, and another when nobody came back for it", async (t) => {
  const { time, breaker, open } = setUp();
  t.ok(breaker.promise() && breaker.promise(), "closed: to everybody");
  open();
  t.notOk(breaker.promise());
  time.now += RESET_MS;
  t.ok(breaker.promise());
  t.notOk(breaker.promise(), "the trial has not begun yet, and is somebody else's");
  time.now += PROMISE_MS - 1;
  t.notOk(breaker.promise());
  time.now += 1;
  t.ok(breaker.promise());
  const probe = breaker.admit();
  if (probe === undefined) return t.fail("not admitted");
  time.now += PROMISE_MS;
  t.notOk(breaker.promise(), "it is under way");
  breaker.ended(probe, "probe", false);
  t.ok(breaker.promise() && breaker.promise());
});

t.test("half of them is not enough, one more is", async (t) => {
  const { breaker, call } = setUp();
  for (let n = 0; n < 6; n += 1) call(`pays-${n}`, false);
  for (let n = 0; n < 6; n += 1) call(`fails-${n}`, true);
  t.ok(breaker.admits());
  call("fails-6", true);
  t.notOk(breaker.admits());
});

t.test("what failed long ago does not count", async (t) => {
  const { time, breaker, call } = setUp();
  for (let n = 0; n < BREAKER_FAILURES_MIN - 1; n += 1) call(`fails-${n}`, true);
  time.now += BREAKER_WINDOW_MS;
  call("now", true);
  t.ok(breaker.admits());
});

t.test("open, one probe, open again, one probe, closed", async (t) => {
  const { time, changes, breaker, call, open } = setUp();
  const before = breaker.admit();
  open();
  t.equal(breaker.retryAfterMs(), RESET_MS);
  time.now += RESET_MS - 1;
  t.notOk(call("early", false));
  t.equal(breaker.retryAfterMs(), 1);
  time.now += 1;
  t.equal(breaker.retryAfterMs(), 0);
  const probe = breaker.admit();
  t.notOk(breaker.admits(), "one at a time");
  t.equal(breaker.retryAfterMs(), 1);
  if (before === undefined || probe === undefined) return t.fail("not admitted");
  breaker.ended(before, "before", false);
  t.notOk(breaker.admits(), "what began before has no say");
  breaker.ended(probe, "probe", true);
  t.equal(breaker.retryAfterMs(), RESET_MS);
  time.now += RESET_MS;
  t.ok(call("next", false));
  t.same(changes, ["open", "open", "closed"]);
  call("once", true);
  t.ok(breaker.admits(), "it begins anew");
});
