// Goal: it opens for a provider that is away and for nothing less. Method: votes and time by hand.

import t from "tap";
import { BREAKER_FAILURES_MIN, BREAKER_WINDOW_MS, PaymentBreaker } from "./breaker.ts";

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
