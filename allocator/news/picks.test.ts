// Goal: what is picked, and the place it brings a sink to, at every edge of a turn and of a batch.

import t from "tap";
import type { NewsType } from "../../shared/protocol/show-news.ts";
import { TERMS } from "../../test/harness/fake-journal.ts";
import type { ShowEvent } from "../core/event.ts";
import { type PickOptions, pickEvents, placeAfter, wantedBy } from "./picks.ts";

const moved: ShowEvent = { kind: "DeadlinesMoved", byMs: 1, outageId: 1 };
const changed: ShowEvent = { kind: "TermsChanged", terms: TERMS };
const cancelled: ShowEvent = { kind: "TermsChanged", terms: { ...TERMS, cancelled: true } };
const turnsOf = (...turns: ShowEvent[][]) => turns.map((events, i) => ({ seq: i + 1, at: 0, events }));
const wanting = (...types: NewsType[]) => wantedBy({ wants: (type) => types.includes(type) });

const options = (more: Partial<PickOptions> = {}): PickOptions => ({
  from: { through: 0, index: 0 },
  wanted: wanting("show.changed", "show.cancelled"),
  max: 100,
  wasCancelled: false,
  ...more,
});
const types = (turns: ReturnType<typeof turnsOf>, more: Partial<PickOptions>) =>
  pickEvents(turns, options(more)).events.map(({ type }) => type);

t.test("a show turns cancelled once, also within a batch, a turn, or before the place", async (t) => {
  const turns = turnsOf([changed], [cancelled, cancelled], [cancelled]);
  t.same(types(turns, {}), ["show.changed", "show.cancelled", "show.changed", "show.changed"]);
  t.same(types(turns.slice(1), { wasCancelled: true }), ["show.changed", "show.changed", "show.changed"]);
  t.same(types(turns.slice(1), { from: { through: 1, index: 1 } }), ["show.changed", "show.changed"]);
  t.same(types(turns, { wanted: wanting("show.cancelled") }), ["show.cancelled"]);
  t.same(types(turns, { wanted: wanting("show.changed") }), ["show.changed", "show.changed", "show.changed"]);
});

t.test("the place after a batch, and after a part of it", async (t) => {
  const turns = turnsOf([moved], [changed, moved, changed], [moved], [changed], [moved]);
  const all = pickEvents(turns, options());
  t.same(
    [0, 1, 2, 3].map((safe) => placeAfter(all, safe)),
    [
      { through: 1, index: 0 },
      { through: 1, index: 2 },
      { through: 3, index: 0 },
      { through: 5, index: 0 },
    ],
    "what nobody wants is passed over",
  );
  const two = pickEvents(turns, options({ max: 2 }));
  t.same(two.end, { through: 3, index: 0 }, "up to what comes next");
  const one = pickEvents(turns, options({ max: 1 }));
  t.same(one.end, { through: 1, index: 2 }, "within a turn");
  t.same(
    pickEvents(turns.slice(1), options({ from: one.end })).events.map(({ turn, index }) => [turn.seq, index]),
    [
      [2, 2],
      [4, 0],
    ],
  );
  t.same(pickEvents([], options({ from: one.end })).end, { through: 1, index: 0 });
});
