// Child of the core benchmark: loads N idle shows of 200 seats and prints what one takes, heap and external memory.
// An idle show as a takeover leaves it: half its seats sold, a day's bookings in the table only, nobody holding.

import { type ShowState, setSeat } from "../allocator/core/state.ts";
import { SEAT_SOLD } from "../shared/protocol/reply.ts";
import { benchHall, openBenchShow } from "./core-show.ts";

const count = Number(process.argv[2]);
const collect = globalThis.gc;
if (collect === undefined || !(count > 0)) throw new Error("usage: node --expose-gc --import tsx core-memory.ts COUNT");

/** Twice: finalizers of typed arrays run after the first. */
function used(): number {
  collect?.();
  collect?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const hall = benchHall();
const shows: ShowState[] = new Array(count);
const before = used();
for (let i = 0; i < count; i += 1) {
  const show = openBenchShow(`show-${i}`, hall);
  for (let seat = 0; seat < 100; seat += 1) setSeat(show, seat, SEAT_SOLD);
  shows[i] = show;
}
const bytes = (used() - before) / count;
// The shows are used after the measurement, so that they are alive during it.
if (shows.some((show) => show.free[0] === undefined)) throw new Error("a show lost its counts");
process.stdout.write(String(Math.round(bytes)));
