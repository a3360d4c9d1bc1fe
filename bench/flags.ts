// What a benchmark can be told on the command line besides its name; each knows its own.

import { parseArgs } from "node:util";

const PARTS_MAX = 32;
const MINUTES_MAX = 24 * 60;

export interface BenchFlags {
  /** Through NATS, `usher gateway` and `usher allocator`, instead of one process. */
  readonly cluster: boolean;
  readonly allocators: number;
  readonly gateways: number;
  readonly minutes: number;
}

export interface BenchCall extends BenchFlags {
  readonly name: string;
  readonly json: string | undefined;
  readonly quick: boolean;
}

export const FLAGS_USAGE = `[--json FILE] [--quick]
  bookings:                      [--cluster [--allocators N] [--gateways N]]
  takeover, handover, soak:      [--allocators N] [--gateways N]
  soak:                          [--minutes N]`;

/** Throws with what is wrong. */
export function readCall(args: readonly string[]): BenchCall {
  const { positionals, values } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: "string" },
      quick: { type: "boolean", default: false },
      cluster: { type: "boolean", default: false },
      allocators: { type: "string", default: "3" },
      gateways: { type: "string", default: "2" },
      minutes: { type: "string", default: "10" },
    },
  });
  if (positionals.length !== 1) throw new Error("name one benchmark");
  return {
    name: positionals[0] as string,
    json: values.json,
    quick: values.quick,
    cluster: values.cluster,
    allocators: countFrom("--allocators", values.allocators, PARTS_MAX),
    gateways: countFrom("--gateways", values.gateways, PARTS_MAX),
    minutes: countFrom("--minutes", values.minutes, MINUTES_MAX),
  };
}

function countFrom(flag: string, text: string, max: number): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= max) return count;
  throw new Error(`${flag} takes a whole number from 1 to ${max}, not "${text}"`);
}
