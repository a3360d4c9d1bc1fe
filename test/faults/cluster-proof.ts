// What everybody was told, held against the shows' logs, whoever owned them when.
// F1: every acknowledgement is in the log, once; and where one was received before the other was asked for, it comes before
//     it. An acknowledgement of a deposed owner would be missing, or out of order.
// F2: epochs never go back along a log: what was written after an owner was deposed, it did not write.
// F3: a refusal was right at some moment between asking and answer, judged by the state of the log at each.
// F4: every state of a seat map that anybody was shown is the log's at that version; what a gateway acknowledged, it shows.

import type { ShowEvent } from "../../allocator/core/event.ts";
import type { Pool } from "../../shared/platform/postgres.ts";
import { LineWitness } from "../harness/line-witness.ts";
import type { Acknowledged, ClusterHistory, MapSeen, Refused } from "./cluster-history.ts";

/** After so many turns. */
interface Moment {
  readonly status: string;
  readonly queued: number;
  readonly inLine: number;
}

interface Place {
  readonly seq: number;
  readonly epoch: number;
}

export interface LogRow extends Place {
  readonly events: readonly ShowEvent[];
}

/** Of one show. */
type Told = Pick<ClusterHistory, "acknowledged" | "refused" | "maps">;
const NOTHING_TOLD: Told = { acknowledged: [], refused: [], maps: [] };

export interface ProofShow {
  readonly showId: string;
  /** Labels, in layout order. */
  readonly seats: readonly string[];
}

/** One show's log, read as a stranger would. */
class ShowProof {
  readonly problems: string[] = [];
  readonly epochs = new Set<number>();
  readonly #show: ProofShow;
  readonly #witness: LineWitness;
  /** By version: before the first turn, after it, … */
  readonly #moments: Moment[];
  readonly #effects = new Map<string, Place>();
  #last: Place = { seq: 0, epoch: 0 };

  constructor(show: ProofShow) {
    this.#show = show;
    this.#witness = new LineWitness(
      show.showId,
      show.seats.map(() => 0),
    );
    this.#moments = [this.#moment()];
  }

  get lastVersion(): number {
    return this.#moments.length - 1;
  }

  read({ seq, epoch, events }: LogRow): void {
    if (seq !== this.#last.seq + 1) this.#say(`turn ${this.#last.seq} is followed by ${seq}`);
    if (epoch < this.#last.epoch) this.#say(`turn ${seq} is of epoch ${epoch}, the one before of ${this.#last.epoch}`);
    this.#last = { seq, epoch };
    this.epochs.add(epoch);
    for (const event of events) {
      const effect = effectOf(event);
      if (effect === undefined) continue;
      if (this.#effects.has(effect)) this.#say(`${effect} takes effect twice`);
      this.#effects.set(effect, this.#last);
    }
    this.#witness.turn(seq, events);
    this.#moments.push(this.#moment());
  }

  judge({ acknowledged, refused, maps }: Told): string[] {
    const placed = this.#place(acknowledged);
    this.#checkOrder(placed);
    for (const each of refused) this.#checkRefusal(each, placed);
    for (const map of maps) this.#checkMap(map, placed);
    return [...this.problems, ...this.#witness.problems];
  }

  checkStates(states: ReadonlyMap<number, string>): string[] {
    return [...states].flatMap(([version, status]) => {
      const is = this.#moments[version]?.status;
      return is === status ? [] : [`${this.#show.showId} in version ${version} is ${is}, a stream showed ${status}`];
    });
  }

  #moment(): Moment {
    const { status, queued, line } = this.#witness;
    return { status, queued, inLine: line.length };
  }

  /** F1. */
  #place(all: readonly Acknowledged[]): Placed[] {
    return all.flatMap((acknowledged) => {
      const place = this.#effects.get(acknowledged.effect);
      if (place === undefined) this.#say(`${acknowledged.effect} was acknowledged and is not in the log`);
      return place === undefined ? [] : [{ ...acknowledged, ...place }];
    });
  }

  #checkOrder(placed: readonly Placed[]): void {
    const byAnswer = [...placed].sort((a, b) => a.answeredAt - b.answeredAt);
    const byAsking = [...placed].sort((a, b) => a.firstSentAt - b.firstSentAt);
    let next = 0;
    let latest: Placed | undefined;
    for (const asked of byAsking) {
      for (; (byAnswer[next]?.answeredAt ?? Infinity) < asked.firstSentAt; next += 1) {
        const answered = byAnswer[next] as Placed;
        if (latest === undefined || answered.seq > latest.seq) latest = answered;
      }
      if (latest !== undefined && latest.seq >= asked.seq) {
        this.#say(
          `${latest.effect} (turn ${latest.seq}, epoch ${latest.epoch}) was acknowledged before ${asked.effect} ` +
            `(turn ${asked.seq}, epoch ${asked.epoch}) was asked for`,
        );
      }
    }
  }

  /** F3. */
  #checkRefusal(refused: Refused, placed: readonly Placed[]): void {
    let [first, last] = [0, this.lastVersion];
    for (const { answeredAt, firstSentAt, seq } of placed) {
      if (answeredAt < refused.sentAt) first = Math.max(first, seq);
      if (firstSentAt > refused.answeredAt) last = Math.min(last, seq - 1);
    }
    for (let version = first; version <= last; version += 1) {
      if (this.#isRight(refused, this.#moments[version] as Moment)) return;
    }
    const { intent, code, quantity, seats, taken } = refused;
    const moments = this.#moments.slice(first, last + 1).map(({ status, queued }) => `${status} (${queued} claimed)`);
    this.#say(
      `a ${intent} of ${quantity} [${seats}] was refused with ${code} [${taken}] between turns ${first} and ${last}, ` +
        `when the seats were ${moments.slice(0, 5).join(", ")}`,
    );
  }

  #isRight({ intent, code, quantity, seats, taken }: Refused, { status, queued, inLine }: Moment): boolean {
    const count = (state: string): number => status.split(state).length - 1;
    const openCount = count("0") - queued;
    const ever = count("0") + count("1");
    const missing = seats.filter((label) => status[this.#show.seats.indexOf(label)] !== "0");
    switch (code) {
      case "show_full":
        return ever < quantity;
      case "seats_available":
        return openCount >= quantity;
      case "waitlist_active":
        return inLine > 0 && ever >= quantity;
      case "retry_held":
        return openCount < quantity && ever >= quantity;
      case "seats_taken":
        return intent === "lock" && missing.length > 0 && missing.join() === taken.join();
      default:
        return false;
    }
  }

  /** F4. */
  #checkMap({ version, status, sentAt, door, isStale }: MapSeen, placed: readonly Placed[]): void {
    const is = this.#moments[version]?.status;
    if (is !== status) this.#say(`the seat map in version ${version} is ${is}, shown as ${status}`);
    if (isStale) return;
    const known = placed.find((each) => each.door === door && each.answeredAt < sentAt && each.seq > version);
    if (known !== undefined)
      this.#say(`version ${version} of the seat map is shown after ${known.effect} in ${known.seq}`);
  }

  #say(problem: string): void {
    this.problems.push(`${this.#show.showId}: ${problem}`);
  }
}

type Placed = Acknowledged & Place;

/** Kind and whom it is about, of what a guest can have asked for. */
function effectOf(event: ShowEvent): string | undefined {
  switch (event.kind) {
    case "HoldPlaced":
    case "HoldReleased":
    case "HoldExtended":
    case "BookingConfirmed":
    case "BookingCancelled":
      return `${event.kind} ${event.id}`;
    case "WaiterJoined":
    case "WaiterLeft":
    case "OfferAccepted":
    case "OfferDeclined":
      return `${event.kind} ${event.waiterId}`;
    default:
      return undefined;
  }
}

export interface Proof {
  readonly problems: readonly string[];
  readonly turns: number;
  /** Owners that have written into the logs, one after the other. */
  readonly epochs: number;
  readonly lastVersions: ReadonlyMap<string, number>;
}

/** States of a seat map that were shown, by version. */
interface Shown {
  readonly showId: string;
  readonly states: ReadonlyMap<number, string>;
}

/** Everything that was told of these shows. One log after the other is read: of a long run they are a million turns. */
export async function prove(
  pool: Pool,
  shows: readonly ProofShow[],
  history: ClusterHistory,
  streams: readonly Shown[],
): Promise<Proof> {
  const told = toldByShow(history);
  const lastVersions = new Map<string, number>();
  let [problems, turns, epochs]: [string[], number, number] = [[], 0, 0];
  for (const show of shows) {
    const { showId } = show;
    const { rows } = await pool.query<LogRow>(
      `SELECT seq::integer AS seq, epoch::integer AS epoch, events::jsonb AS events FROM show_log
       WHERE show_id = $1 ORDER BY seq`,
      [showId],
    );
    const states = streams.filter((stream) => stream.showId === showId);
    const proof = proofOf(show, rows, told.get(showId) ?? NOTHING_TOLD, states);
    lastVersions.set(showId, proof.lastVersion);
    problems = [...problems, ...proof.problems];
    turns += rows.length;
    epochs += proof.epochs;
  }
  return { problems, turns, epochs, lastVersions };
}

/** `log`: in its order. `told`: of this show. */
export function proofOf(show: ProofShow, log: readonly LogRow[], told: Told, streams: readonly Shown[]) {
  const proof = new ShowProof(show);
  for (const row of log) proof.read(row);
  const problems = proof.judge(told);
  for (const { states } of streams) problems.push(...proof.checkStates(states));
  return { problems, lastVersion: proof.lastVersion, epochs: proof.epochs.size };
}

/** A history, show by show. */
export function toldByShow(history: ClusterHistory): ReadonlyMap<string, Told> {
  const told = new Map<string, { acknowledged: Acknowledged[]; refused: Refused[]; maps: MapSeen[] }>();
  const of = (showId: string) => {
    const known = told.get(showId) ?? { acknowledged: [], refused: [], maps: [] };
    told.set(showId, known);
    return known;
  };
  for (const each of history.acknowledged) of(each.showId).acknowledged.push(each);
  for (const each of history.refused) of(each.showId).refused.push(each);
  for (const each of history.maps) of(each.showId).maps.push(each);
  return told;
}
