// What brings a mail away, and what came of it. Two there are: a mail server, and a folder.
// R1: a carrier never rejects: what went wrong is told as far as it decides what to do next.
// R2: a reason is made of codes. What a mail server writes may hold the address, and is not passed on.

import type { Letter } from "./letter.ts";

export interface Mailbox {
  /** Shown to people; may be empty. */
  readonly name: string;
  readonly address: string;
}

export interface Mail {
  readonly newsId: string;
  /** With its angle brackets; the same whenever the same news is told. */
  readonly messageId: string;
  readonly from: Mailbox;
  readonly to: string;
  /** Its date, milliseconds since the epoch. */
  readonly at: number;
  readonly letter: Letter;
}

export type Delivery =
  | { readonly kind: "delivered" }
  /** This mail will never be taken. */
  | { readonly kind: "refused"; readonly reason: string }
  /** This mail is not taken now; others may be. */
  | { readonly kind: "deferred"; readonly reason: string }
  /** No mail is taken now. This one may have been, where the answer was lost. */
  | { readonly kind: "away"; readonly reason: string };

export const DELIVERED: Delivery = { kind: "delivered" };

export interface Carrier {
  deliver(mail: Mail): Promise<Delivery>;
  /** What is under way is given up. */
  close(): void;
}
