// What the cluster needs of a message bus. NATS in production, a few lines in a test.
// B1: at most once. Of one publisher a listener hears in the order of publishing, whatever the subjects.
// B2: a listener is called synchronously, in the order of arrival; it must not throw.
// B3: nothing is kept for who is away: after `onConnection(true)` anything may have been missed.

export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Where an answer goes, if one is wanted. */
  readonly reply: string | undefined;
  /** Nobody listens to the subject this was asked on: came to the reply subject instead of an answer. */
  readonly isUnheard: boolean;
}

export interface Bus {
  /** Not connected: dropped, or kept a moment until it is; never throws. */
  publish(subject: string, data: Uint8Array, reply?: string): void;
  /** `subject` may end in `.*` or `.>`. Answers the unsubscriber. */
  subscribe(subject: string, listener: (message: BusMessage) => void): () => void;
  isConnected(): boolean;
  /** Lost and found again. Answers the unsubscriber. */
  onConnection(listener: (isConnected: boolean) => void): () => void;
}
