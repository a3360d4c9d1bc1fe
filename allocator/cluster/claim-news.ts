// Nodes tell one another what they have just claimed, so that a former owner stops serving a show at once and not with
// its next commit. A hint: the epoch fences it in any case.

import type { Bus } from "../../shared/cluster/bus.ts";
import { CLAIMS, claimSubject } from "../../shared/cluster/subjects.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { TimerHandle, Timers } from "../../shared/platform/timers.ts";

export interface ClaimNewsOptions {
  readonly nodeId: string;
  readonly bus: Bus;
  readonly timers: Timers;
  /** Another node claimed the show, by this epoch. */
  readonly onClaim: (showId: ShowId, epoch: number) => void;
}

/** About 60 bytes each: a message may hold 1 MiB. */
const CLAIMS_PER_MESSAGE_MAX = 5_000;

type Claim = readonly [showId: ShowId, epoch: number];

const isClaim = (value: unknown): value is Claim =>
  Array.isArray(value) && typeof value[0] === "string" && typeof value[1] === "number";

export class ClaimNews {
  readonly #options: ClaimNewsOptions;
  readonly #unsubscribe: () => void;
  #claims: Claim[] = [];
  #flushing: TimerHandle | undefined;

  constructor(options: ClaimNewsOptions) {
    this.#options = options;
    const own = claimSubject(options.nodeId);
    this.#unsubscribe = options.bus.subscribe(CLAIMS, ({ subject, data }) => {
      if (subject !== own) this.#hear(data);
    });
  }

  tell(showId: ShowId, epoch: number): void {
    this.#claims.push([showId, epoch]);
    this.#flushing ??= this.#options.timers.setImmediate(() => this.#flush());
  }

  stop(): void {
    this.#options.timers.clearImmediate(this.#flushing);
    this.#unsubscribe();
  }

  #flush(): void {
    const { bus, nodeId } = this.#options;
    this.#flushing = undefined;
    const claims = this.#claims;
    this.#claims = [];
    for (let from = 0; from < claims.length; from += CLAIMS_PER_MESSAGE_MAX) {
      const some = claims.slice(from, from + CLAIMS_PER_MESSAGE_MAX);
      bus.publish(claimSubject(nodeId), Buffer.from(JSON.stringify(some)));
    }
  }

  #hear(data: Uint8Array): void {
    let claims: unknown;
    try {
      claims = JSON.parse(Buffer.from(data).toString("utf8"));
    } catch {
      return;
    }
    if (!Array.isArray(claims)) return;
    for (const claim of claims) if (isClaim(claim)) this.#options.onClaim(...claim);
  }
}
