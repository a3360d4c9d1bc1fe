// The simulator's ledger for whoever only reads it, beside a simulator that runs or without one. A record that is in the
// file was made; one that is not there yet was not answered for either.

import { Book, type LedgerRecord } from "./book.ts";
import { ledgerPathOf, replay } from "./ledger-file.ts";

/** Empty where there is no ledger. Throws the StartFault `ledger_damaged`. */
export async function readLedger(dataDir: string): Promise<Book> {
  const book = new Book();
  await replay(ledgerPathOf(dataDir), (record) => book.apply(record as LedgerRecord));
  return book;
}
