// Goal: after every change of the view each active show of this node's is claimed, soon and once, the served ones few at
// a time (D1–D4). Method: a store and a registry by hand, whose answers the test gives.

import t from "tap";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { FakeTime, settled } from "../../waitlist/poll/fake-time.ts";
import { Adoption } from "./adoption.ts";

const shows = (count: number, name = "show"): ShowId[] =>
  Array.from({ length: count }, (_, i) => `${name}-${i}` as ShowId);

function stage(options: { readonly active?: ShowId[]; readonly isHeld?: boolean } = {}) {
  const time = new FakeTime();
  const state = {
    active: options.active ?? [],
    isAway: false,
    reads: 0,
    isMine: (_: ShowId): boolean => true,
    hasFormerOwner: (_: ShowId): boolean => false,
    /** Each call of `activate`, and how it ends. */
    calls: [] as { readonly showIds: readonly ShowId[]; readonly end: () => void }[],
    live: new Set<ShowId>(),
    isHeld: options.isHeld ?? false,
  };
  const adoption = new Adoption({
    activeShows: async () => {
      state.reads += 1;
      if (state.isAway) throw new Error("away");
      return state.active;
    },
    shows: {
      activate: (showIds) =>
        new Promise((resolve) => {
          const end = (): void => {
            for (const showId of showIds) state.live.add(showId);
            resolve();
          };
          state.calls.push({ showIds, end });
          if (!state.isHeld) end();
        }),
      isLive: (showId) => state.live.has(showId),
    },
    ownership: { isMine: (id) => state.isMine(id), hasFormerOwner: (id) => state.hasFormerOwner(id) },
    timers: time,
    log: silentLog(),
  });
  const sizes = (): number[] => state.calls.map(({ showIds }) => showIds.length);
  return { time, state, adoption, sizes };
}

t.test(
  "what a dead node had is claimed at once, what is served 64 at a time, what is another's or live not at all",
  async (t) => {
    const { state, adoption } = stage({
      active: [...shows(500, "orphan"), ...shows(150, "served"), ...shows(9, "other")],
    });
    state.isMine = (id) => !id.startsWith("other");
    state.hasFormerOwner = (id) => id.startsWith("served");
    state.live.add("orphan-3" as ShowId);
    adoption.sweep();
    await settled();
    t.same(
      state.calls.map(({ showIds }) => `${showIds[0]?.split("-")[0]} ${showIds.length}`),
      ["orphan 499", "served 64", "served 64", "served 22"],
    );
    await adoption.stop();
  },
);

t.test("the next few are asked for only when those before are there", async (t) => {
  const { state, adoption, sizes } = stage({ active: shows(130), isHeld: true });
  state.hasFormerOwner = () => true;
  adoption.sweep();
  await settled();
  t.same(sizes(), [64]);
  state.calls[0]?.end();
  await settled();
  t.same(sizes(), [64, 64]);
  state.calls[1]?.end();
  await settled();
  state.calls[2]?.end();
  await adoption.settled();
  t.same(sizes(), [64, 64, 2]);
  await adoption.stop();
});

t.test("a newer view in the middle of a hand-over: the rest is judged anew (D2)", async (t) => {
  const { state, adoption, sizes } = stage({ active: shows(200), isHeld: true });
  state.hasFormerOwner = () => true;
  adoption.sweep();
  await settled();
  state.isMine = (id) => id === "show-150";
  adoption.sweep();
  state.calls[0]?.end();
  await settled();
  t.same(sizes(), [64, 1]);
  t.same(state.calls[1]?.showIds, ["show-150"]);
  state.calls[1]?.end();
  await adoption.settled();
  await adoption.stop();
});

t.test("a second death while the first one's shows are being claimed does not wait for them (D3)", async (t) => {
  const { state, adoption } = stage({ active: shows(3_000, "first"), isHeld: true });
  adoption.sweep();
  await settled();
  state.active = [...shows(3_000, "first"), ...shows(2, "second")];
  adoption.sweep();
  await settled();
  t.equal(state.calls.length, 2);
  t.ok(state.calls[1]?.showIds.includes("second-1" as ShowId));
  for (const { end } of state.calls) end();
  await adoption.settled();
  await adoption.stop();
});

t.test("a sweep that fails is repeated until it is done; then no more", async (t) => {
  const { time, state, adoption, sizes } = stage({ active: shows(3) });
  state.isAway = true;
  adoption.sweep();
  await settled();
  await time.pass(900);
  t.ok(state.reads >= 4 && state.reads <= 6, `${state.reads} readings`);
  t.same(sizes(), []);
  state.isAway = false;
  await time.pass(200);
  t.same(sizes(), [3]);
  await time.pass(1_000);
  const { reads } = state;
  await time.pass(60_000);
  t.equal(state.reads, reads);
  t.same(time.armed, []);
});

t.test("many views at once are two sweeps, and one look a while after", async (t) => {
  const { time, state, adoption } = stage({ active: shows(3) });
  for (let i = 0; i < 50; i += 1) adoption.sweep();
  await settled();
  t.equal(state.reads, 2);
  await time.pass(10_000);
  t.equal(state.reads, 3);
});

t.test("a show that got something to do only after the look is found by the second one (D4)", async (t) => {
  const { time, state, adoption } = stage({ active: shows(2) });
  adoption.sweep();
  await time.pass(500);
  state.active = [...shows(2), "late" as ShowId];
  await time.pass(600);
  t.same(state.calls.at(-1)?.showIds, ["late"]);
  await adoption.stop();
});

t.test(
  "stopped: at once while it waits to try again, after what is being claimed otherwise; nothing is left",
  async (t) => {
    const failing = stage();
    failing.state.isAway = true;
    failing.adoption.sweep();
    await settled();
    await failing.adoption.stop();
    t.same(failing.time.armed, []);
    failing.adoption.sweep();
    await settled();
    t.equal(failing.state.reads, 1, "a view after the end starts nothing");

    const busy = stage({ active: shows(200), isHeld: true });
    busy.adoption.sweep();
    await settled();
    let isStopped = false;
    const stopping = busy.adoption.stop().then(() => {
      isStopped = true;
    });
    await settled();
    t.notOk(isStopped, "what is being claimed is waited for");
    busy.state.calls[0]?.end();
    await stopping;
    t.same(busy.time.armed, []);
  },
);
