// A change of the view, as one of many who may be changing it: reads, changes, compares and sets, until it is so.

import type { Bus } from "../../shared/cluster/bus.ts";
import { VIEW_SUBJECT } from "../../shared/cluster/subjects.ts";
import { type ClusterView, MEMBERS_MAX, type Member } from "../../shared/cluster/view.ts";
import { sleepMs, type Timers } from "../../shared/platform/timers.ts";
import { encodeJson } from "./heartbeat.ts";
import type { MembershipStore } from "./membership-store.ts";

const ATTEMPTS_MAX = 50;
/** Grows with every attempt. */
const PAUSE_MS = 5;

export interface ViewChangeParts {
  readonly store: Pick<MembershipStore, "view" | "changeView">;
  readonly bus: Pick<Bus, "publish">;
  readonly timers: Timers;
  readonly random: () => number;
  /** Told of every view that is met, the changed one last. */
  readonly adopt: (view: ClusterView) => void;
}

/** `change` answers what there should be; the same again changes nothing. Rejects where the store cannot be asked. */
export async function changeView(
  { store, bus, timers, random, adopt }: ViewChangeParts,
  change: (members: readonly Member[]) => readonly Member[],
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const present = await store.view();
    adopt(present);
    const members = change(present.members);
    if (members.length > MEMBERS_MAX) throw new Error(`more than ${MEMBERS_MAX} nodes`);
    if (JSON.stringify(members) === JSON.stringify(present.members)) return;
    if (await store.changeView(present.version, members)) {
      const changed: ClusterView = { version: present.version + 1, members };
      bus.publish(VIEW_SUBJECT, encodeJson(changed));
      adopt(changed);
      return;
    }
    await sleepMs(PAUSE_MS * (1 + random() * attempt), timers);
  }
  throw new Error("the view of the cluster changes too often");
}
