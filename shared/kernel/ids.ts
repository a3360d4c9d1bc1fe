// Branded ids. An id is a plain string at run time; the brand stops one kind from being passed for another.
// K1: a hold, booking or waiter id is `<show id>.<22 base64url characters>`, so any gateway routes it without a
//     look-up, and its 128 bits cannot be guessed.
// K2: session, operation, hold and waiter ids are random to their last characters (tables hash those): who asks under
//     another name, an issuer's subject, becomes a session id by a keyed hash at the gateway.

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type ShowId = Branded<"ShowId">;
/** A hold's id is its booking's id: one row, one life. */
export type BookingId = Branded<"BookingId">;
export type SessionId = Branded<"SessionId">;
/** A waiter's place in the line of a show, from joining to its end. */
export type WaiterId = Branded<"WaiterId">;
/** What an idempotency key becomes: 22 characters derived from (session, show, key). The tail of a hold's or a waiter's id. */
export type OperationId = Branded<"OperationId">;
export type LayoutId = Branded<"LayoutId">;

const SHOW_ID = /^[A-Za-z0-9_-]{1,40}$/;
const ROUTED_ID = /^([A-Za-z0-9_-]{1,40})\.([A-Za-z0-9_-]{22})$/;

export const isShowId = (text: string): text is ShowId => SHOW_ID.test(text);

/** The show a routed id belongs to, or `undefined` when the text is no such id. */
export function showOf(id: string): ShowId | undefined {
  return ROUTED_ID.exec(id)?.[1] as ShowId | undefined;
}

export const bookingIdOf = (showId: ShowId, operationId: OperationId): BookingId =>
  `${showId}.${operationId}` as BookingId;

export const waiterIdOf = (showId: ShowId, operationId: OperationId): WaiterId =>
  `${showId}.${operationId}` as WaiterId;

export const OPERATION_ID_LENGTH = 22;

/** The operation that placed a hold, or joined a line, is the tail of its id. */
export const operationOf = (id: BookingId | WaiterId): OperationId => id.slice(-OPERATION_ID_LENGTH) as OperationId;
