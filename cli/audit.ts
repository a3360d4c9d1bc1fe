// `usher audit`: proves, from the tables alone, that they say what the log says and that no seat was sold twice.

import { auditCell } from "../allocator/journal/audit.ts";
import { createLog } from "../shared/platform/log.ts";
import { type Command, DATA_FLAG, EXIT_FAILED, EXIT_OK, parseFlags } from "./command.ts";
import { readConfig } from "./config.ts";
import { openStore } from "./store.ts";

export const auditCommand: Command = {
  name: "audit",
  usage: "[--data DIR]",
  summary: "check that replay(log) = tables and that no seat is sold twice; exit 0 or 1",
  flags: [DATA_FLAG],
  async run(args, io) {
    const { values } = parseFlags(args, { data: { type: "string" } });
    const config = readConfig(io.env, { data: values.data });
    const store = await openStore({ config, log: createLog({ level: "error", name: "audit" }), mayCreate: false });
    try {
      const { shows, turns, bookings, waiters, soldSeats, problems } = await auditCell(store.pool, store.pool);
      for (const problem of problems) io.say(problem);
      io.say(
        `${shows} shows, ${turns} turns, ${bookings} bookings, ${soldSeats} seats sold, ${waiters} waiters: ${verdict(problems.length)}`,
      );
      return problems.length === 0 ? EXIT_OK : EXIT_FAILED;
    } finally {
      await store.close();
    }
  },
};

const verdict = (problems: number): string =>
  problems === 0 ? "all as the log says" : `${problems} problem${problems === 1 ? "" : "s"}`;
