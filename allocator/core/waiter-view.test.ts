// What a waiter is shown of its deadlines.

import t from "tap";
import { drawnHall } from "../../test/core/drawn-hall.ts";
import { on, T0, waiter } from "../../test/core/specification.ts";
import { joined, OFFER_TTL, offered, WAITER_TTL } from "../../test/core/waitlist-events.ts";
import { waiterViewOf } from "./waiter-view.ts";

const viewWith = (terms: { salesCutoffAt?: number; cancelled?: boolean }) => {
  const state = on({ hall: drawnHall("aaaa"), terms })
    .given(joined("w", "ann", 2), offered("w", [0, 1]))
    .state();
  const entry = state.line?.get(waiter("w"));
  return entry && waiterViewOf(state, entry, T0);
};

t.test("its own deadlines, while the line closes later", async (t) => {
  const view = viewWith({ salesCutoffAt: T0 + WAITER_TTL });
  t.same([view?.expiresAt, view?.offer?.expiresAt], [T0 + WAITER_TTL, T0 + OFFER_TTL]);
});

t.test("the cutoff, when that comes first", async (t) => {
  const view = viewWith({ salesCutoffAt: T0 + 4_000 });
  t.same([view?.expiresAt, view?.offer?.expiresAt], [T0 + 4_000, T0 + 4_000]);
});

t.test("a cancelled show's are what they were", async (t) => {
  const view = viewWith({ cancelled: true, salesCutoffAt: T0 + 4_000 });
  t.same([view?.expiresAt, view?.offer?.expiresAt], [T0 + WAITER_TTL, T0 + OFFER_TTL]);
});
