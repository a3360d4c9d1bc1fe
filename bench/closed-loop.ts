// A closed loop: so many connections, each doing one thing after another for a while; what was done a second, how long
// each took, and what went wrong.

import type { Histogram } from "hdr-histogram-js";
import { LoadConnection } from "../test/harness/http-client.ts";

/** One thing, on a connection of one's own; what went wrong, or `undefined`. */
export type Act = (connection: LoadConnection) => Promise<string | undefined>;

export interface LoopOptions {
  /** The connections are spread over them. */
  readonly urls: readonly string[];
  readonly connections: number;
  readonly lengthMs: number;
  readonly act: Act;
  /** Microseconds of what went well. */
  readonly latencies?: Histogram;
}

export interface LoopResult {
  readonly done: number;
  readonly perSecond: number;
  /** By what it was, with how often; empty when nothing went wrong. */
  readonly failures: string;
}

export async function closedLoop({ urls, connections, lengthMs, act, latencies }: LoopOptions): Promise<LoopResult> {
  const failures = new Map<string, number>();
  const open = await Promise.all(
    Array.from({ length: connections }, (_, i) => LoadConnection.open(urls[i % urls.length] as string)),
  );
  const startedAt = performance.now();
  const endsAt = startedAt + lengthMs;
  let done = 0;
  await Promise.all(
    open.map(async (connection) => {
      while (performance.now() < endsAt) {
        const from = performance.now();
        const failure = await act(connection);
        if (failure !== undefined) failures.set(failure, (failures.get(failure) ?? 0) + 1);
        else {
          done += 1;
          latencies?.recordValue(Math.round((performance.now() - from) * 1000));
        }
      }
      connection.close();
    }),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const counted = [...failures].map(([what, count]) => `${count} × ${what}`).join(", ");
  return { done, perSecond: done / seconds, failures: counted };
}
