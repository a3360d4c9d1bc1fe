// The catalogue between gateways: who changed it says so on the bus, and the others drop the answers they keep.
// O1: a hint. One that is lost costs what the answers' own age allows (R1 of reader.ts), and no more.
// O2: while the bus was lost anything may have been changed.

import type { Bus } from "../../shared/cluster/bus.ts";
import { CATALOGUE_SUBJECT } from "../../shared/cluster/subjects.ts";

/** What there is to say is in Postgres. */
const NOTHING = new Uint8Array(0);

/** After the commit. */
export const tellOthers = (bus: Bus) => (): void => bus.publish(CATALOGUE_SUBJECT, NOTHING);

/** `invalidate`: others have changed the catalogue. Answers how to hear no more. */
export function hearOthers(bus: Bus, invalidate: () => void): () => void {
  const ends = [
    bus.subscribe(CATALOGUE_SUBJECT, invalidate),
    bus.onConnection((isConnected) => {
      if (isConnected) invalidate();
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}
