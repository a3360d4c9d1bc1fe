// `usher audit`: proves, from the tables alone, that they say what the log says and that no seat was sold twice; and from
// the payment simulator's ledger that every unit of money that was authorised is where the bookings say it is.

import { auditCell } from "../allocator/journal/audit.ts";
import { createLog } from "../shared/platform/log.ts";
import type { Pool } from "../shared/platform/postgres.ts";
import { auditMoney, moneySentence } from "./audit-money.ts";
import { type Command, DATA_FLAG, EXIT_FAILED, EXIT_OK, parseFlags } from "./command.ts";
import { type Config, readConfig } from "./config.ts";
import { paymentsDirOf } from "./runtime-file.ts";
import { openStore } from "./store.ts";

export const auditCommand: Command = {
  name: "audit",
  usage: "[--data DIR]",
  summary: "check that replay(log) = tables, that no seat is sold twice and that money is conserved; exit 0 or 1",
  flags: [DATA_FLAG],
  async run(args, io) {
    const { values } = parseFlags(args, { data: { type: "string" } });
    const config = readConfig(io.env, { data: values.data });
    const store = await openStore({ config, log: createLog({ level: "error", name: "audit" }), mayCreate: false });
    try {
      const { shows, turns, bookings, waiters, soldSeats, problems } = await auditCell(store.pool, store.pool);
      const money = await moneyOf(config, store.pool);
      for (const problem of [...problems, ...money.problems]) io.say(problem);
      io.say(money.sentence);
      io.say(
        `${shows} shows, ${turns} turns, ${bookings} bookings, ${soldSeats} seats sold, ${waiters} waiters: ${verdict(problems.length)}`,
      );
      return problems.length + money.problems.length === 0 ? EXIT_OK : EXIT_FAILED;
    } finally {
      await store.close();
    }
  },
};

async function moneyOf(
  { payment, dataDir }: Config,
  pool: Pool,
): Promise<{ readonly problems: readonly string[]; readonly sentence: string }> {
  if (payment.kind === "http") {
    return { problems: [], sentence: "payments: not balanced here; the payment gateway keeps its own ledger" };
  }
  if (payment.kind === "instant") return { problems: [], sentence: "payments: instant, there is no ledger to balance" };
  const report = await auditMoney(pool, paymentsDirOf(dataDir));
  return { problems: report.problems, sentence: moneySentence(report) };
}

const verdict = (problems: number): string =>
  problems === 0 ? "all as the log says" : `${problems} problem${problems === 1 ? "" : "s"}`;
