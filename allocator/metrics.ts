// What an allocator tells Prometheus. What happens in lines is counted where it is committed, once an entry; an entry
// whose commit failed, or whose outcome nobody knows, counts nothing.

import { Counter, Gauge, Histogram } from "prom-client";
import type { Metrics } from "../shared/platform/metrics.ts";
import type { WaiterStatus } from "../shared/protocol/reply.ts";
import type { ShowEvent } from "./core/event.ts";
import type { CommitEntry, Journal } from "./journal/journal.ts";

type Commits = Pick<Journal, "commit">;

export interface InLines {
  readonly waiting: number;
  readonly offered: number;
}

export interface Meters {
  readonly onStatement: (entries: number, turns: number) => void;
  /** `count` is asked at each scrape. */
  readonly onShows: (count: () => number) => void;
  /** `count` is asked at each scrape. */
  readonly onLines: (count: () => InLines) => void;
  /** The same, and what becomes of the line is counted. */
  readonly countingCommits: (journal: Commits) => Commits;
}

export function observe(metrics: Metrics): Meters {
  const turns = new Counter({
    name: "usher_turns_committed_total",
    help: "Turns with events handed to the group commit.",
    registers: [metrics],
  });
  const statements = new Histogram({
    name: "usher_commit_entries",
    help: "Shows a group commit statement writes.",
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers: [metrics],
  });
  const gauge = (name: string, help: string, count: () => number): void => {
    new Gauge({
      name,
      help,
      registers: [metrics],
      collect() {
        this.set(count());
      },
    });
  };
  return {
    onStatement(entries, count) {
      turns.inc(count);
      statements.observe(entries);
    },
    onShows: (count) => gauge("usher_shows_loaded", "Shows this node has in memory.", count),
    onLines(count) {
      gauge(
        "usher_waiters_waiting",
        "People in the lines of this node's shows, without an offer.",
        () => count().waiting,
      );
      gauge("usher_offers_open", "Offers of this node's shows that are neither taken nor over.", () => count().offered);
    },
    countingCommits: lineCounts(metrics),
  };
}

const OFFER_OUTCOMES = ["made", "accepted", "declined", "lapsed"] as const;
type OfferOutcome = (typeof OFFER_OUTCOMES)[number];
type End = Exclude<WaiterStatus, "waiting" | "offered">;
const ENDS: readonly End[] = ["accepted", "declined", "lapsed", "cancelled", "expired", "hopeless", "absent", "closed"];

function lineCounts(metrics: Metrics): (journal: Commits) => Commits {
  const offers = new Counter({
    name: "usher_offers_total",
    help: "Offers to people in line, by what became of them; each is also counted as made.",
    labelNames: ["outcome"],
    registers: [metrics],
  });
  const ends = new Counter({
    name: "usher_waiters_ended_total",
    help: "Places in lines that have ended, by how.",
    labelNames: ["end"],
    registers: [metrics],
  });
  // All there from the start: a rate over a series that comes later misses its first step.
  for (const outcome of OFFER_OUTCOMES) offers.inc({ outcome }, 0);
  for (const end of ENDS) ends.inc({ end }, 0);
  const count = ({ turns }: CommitEntry): void => {
    const [made, ended] = [new Map<OfferOutcome, number>(), new Map<End, number>()];
    for (const { events } of turns) for (const event of events) tally(event, made, ended);
    for (const [outcome, sum] of made) offers.inc({ outcome }, sum);
    for (const [end, sum] of ended) ends.inc({ end }, sum);
  };
  return (journal) => ({
    async commit(entries) {
      const outcomes = await journal.commit(entries);
      for (const [i, entry] of entries.entries()) {
        if (entry.waiters.length > 0 && outcomes[i] === "committed") count(entry);
      }
      return outcomes;
    },
  });
}

function tally(event: ShowEvent, offers: Map<OfferOutcome, number>, ends: Map<End, number>): void {
  switch (event.kind) {
    case "OfferMade":
      return add(offers, "made");
    case "OfferAccepted":
      return addBoth("accepted", offers, ends);
    case "OfferDeclined":
      return addBoth("declined", offers, ends);
    case "OfferLapsed":
      return addBoth("lapsed", offers, ends);
    case "WaiterLeft":
      return add(ends, event.status);
    default:
  }
}

/** The place in the line ends with its offer. */
function addBoth(outcome: OfferOutcome & End, offers: Map<OfferOutcome, number>, ends: Map<End, number>): void {
  add(offers, outcome);
  add(ends, outcome);
}

const add = <Key>(counts: Map<Key, number>, key: Key): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
