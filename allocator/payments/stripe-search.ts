// What Stripe has of a payment, found without repeating the request that made it. What is found counts only when its
// own metadata names the booking and the attempt.

import Stripe from "stripe";
import type { BookingId } from "../../shared/kernel/ids.ts";
import type { ProviderPayment } from "./port.ts";

const PAGE_MAX = 100;
const PAGES_MAX = 10;

export interface SearchFor {
  readonly bookingId: BookingId;
  readonly attempt: number;
  readonly timeoutMs: number;
}

/** By metadata: consistent about a minute after it was made. Throws what the client throws. */
export async function searchIntents(stripe: Stripe, what: SearchFor): Promise<ProviderPayment[]> {
  // Neither has a quote in it: an id is of [A-Za-z0-9_.-].
  const query = `metadata['booking_id']:'${what.bookingId}' AND metadata['attempt']:'${what.attempt}'`;
  const found: ProviderPayment[] = [];
  let page: string | undefined;
  for (let pages = 0; pages < PAGES_MAX; pages += 1) {
    const answer = await stripe.paymentIntents.search(
      { query, limit: PAGE_MAX, ...(page === undefined ? {} : { page }) },
      { timeout: what.timeoutMs },
    );
    found.push(...answer.data.filter((intent) => isOf(intent, what)).map(paymentOf));
    if (!answer.has_more) return found;
    page = answer.next_page ?? undefined;
  }
  throw new Error(`more than ${PAGES_MAX * PAGE_MAX} payments for one attempt`);
}

/** None where it is another's, or nobody's. */
export async function retrieveIntent(stripe: Stripe, reference: string, what: SearchFor): Promise<ProviderPayment[]> {
  try {
    const intent = await stripe.paymentIntents.retrieve(reference, {}, { timeout: what.timeoutMs });
    return isOf(intent, what) ? [paymentOf(intent)] : [];
  } catch (error) {
    if (error instanceof Stripe.errors.StripeError && error.statusCode === 404) return [];
    throw error;
  }
}

const isOf = ({ metadata }: Stripe.PaymentIntent, { bookingId, attempt }: SearchFor): boolean =>
  metadata.booking_id === bookingId && metadata.attempt === String(attempt);

function paymentOf({ id, status }: Stripe.PaymentIntent): ProviderPayment {
  switch (status) {
    case "processing":
      return { reference: id, state: "under_way" };
    case "canceled":
    case "requires_payment_method":
      return { reference: id, state: "over" };
    default:
      return { reference: id, state: "open" };
  }
}
