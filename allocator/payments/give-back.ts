// Money that no booking keeps goes back: cancelled at the provider, or refunded where it turns out to be captured.
// V1: nobody need know whether a capture came through: cancelling says so, and both are safe to repeat.
// V2: what a look-up finds is never booked, only given back. While one of them may yet succeed, nothing is over.
// V3: a repeated request is told what was: one that is authorised by it may have been cancelled since, by an owner that died
//     before it said so. Before such a one is booked after all the provider is asked how it stands.

import type { BookingId } from "../../shared/kernel/ids.ts";
import type { FindOutcome, PaymentGateway, ProviderPayment } from "./port.ts";

/** `none`: there was nothing to give back. `failed`: it will never work. `undefined`: not known yet. */
export type GivenBack = "voided" | "refunded" | "none" | "failed" | undefined;

export async function giveBack(gateway: PaymentGateway, reference: string, key: string): Promise<GivenBack> {
  const cancelled = await gateway.cancel(reference, `${key}:cancel`);
  if (cancelled === "cancelled") return "voided";
  if (cancelled !== "already_captured") return cancelled === "failed" ? "failed" : undefined;
  const refunded = await gateway.refund(reference, `${key}:refund`);
  return refunded === "unknown" ? undefined : refunded;
}

/** A payment begun so long ago that asking by its key could begin another one. */
export async function lookUp(gateway: PaymentGateway, bookingId: BookingId, attempt: number): Promise<GivenBack> {
  return giveBackFound(gateway, await gateway.find(bookingId, attempt));
}

/** V3: `undefined` while the provider does not say. */
export async function isOver(
  gateway: PaymentGateway,
  reference: string,
  bookingId: BookingId,
  attempt: number,
): Promise<boolean | undefined> {
  const found = await gateway.look(reference, bookingId, attempt);
  const [payment] = found.kind === "found" ? found.payments : [];
  return payment === undefined || payment.state === "under_way" ? undefined : payment.state === "over";
}

/** Each under a key of its own: several may have been made for one attempt. */
export async function giveBackFound(gateway: PaymentGateway, found: FindOutcome): Promise<GivenBack> {
  if (found.kind !== "found") return found.kind === "failed" ? "failed" : undefined;
  const ends: GivenBack[] = [];
  for (const { reference, state } of found.payments) ends.push(await endOf(gateway, reference, state));
  for (const worst of [undefined, "failed", "refunded", "voided"] as const) if (ends.includes(worst)) return worst;
  return "none";
}

async function endOf(gateway: PaymentGateway, reference: string, state: ProviderPayment["state"]): Promise<GivenBack> {
  if (state === "over") return "none";
  return state === "under_way" ? undefined : giveBack(gateway, reference, reference);
}
