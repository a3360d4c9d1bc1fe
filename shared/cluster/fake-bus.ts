// For tests: a bus in memory that loses, delays and cuts as NATS under stress does, on the test's own time.
// F1: what B1 promises it keeps: of one publisher everything arrives in order, unless `duplicateShare` is set, which is
//     more than a bus may do.
// F2: a publisher hears itself. Nobody there to hear what wants an answer: "unheard" comes back instead.
// F3: nothing is delivered from within `publish`; a delay of 0 is a turn of the test's time.

import type { Bus, BusMessage } from "./bus.ts";

export interface FakeBusOptions {
  readonly now: () => number;
  readonly after: (delayMs: number, callback: () => void) => void;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
}

interface Listening {
  readonly subject: string;
  readonly listener: (message: BusMessage) => void;
}

type Parcel = Omit<BusMessage, "isUnheard">;

const isHeardOn = (pattern: string, subject: string): boolean => {
  if (pattern === subject) return true;
  if (pattern.endsWith(".>")) return subject.startsWith(pattern.slice(0, -1));
  if (!pattern.endsWith(".*") || !subject.startsWith(pattern.slice(0, -1))) return false;
  return !subject.slice(pattern.length - 1).includes(".");
};

/** The network and its server. */
export class FakeNet {
  readonly #options: FakeBusOptions;
  readonly #buses: FakeBus[] = [];
  readonly #cuts = new Set<string>();
  readonly #arrivals = new Map<string, number>();
  /** Of all messages. */
  lossShare = 0;
  duplicateShare = 0;
  /** Each message takes up to so long. */
  delayMaxMs = 0;
  /** Everything that was published, in order. */
  readonly published: Parcel[] = [];
  keepsPublished = true;

  constructor(options: FakeBusOptions) {
    this.#options = options;
  }

  /** `run`: what everything that arrives goes through; a process that stands still runs it later. */
  connect(name: string, run: (callback: () => void) => void = (callback) => callback()): FakeBus {
    const bus = new FakeBus(this, name, run);
    this.#buses.push(bus);
    return bus;
  }

  /** One way. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}→${to}`);
  }

  heal(): void {
    this.#cuts.clear();
  }

  /** For buses only. */
  carry(from: FakeBus, parcel: Parcel): void {
    if (this.keepsPublished) this.published.push(parcel);
    const { random } = this.#options;
    const receivers = this.#buses.filter((bus) => bus.isConnected() && bus.hears(parcel.subject));
    if (receivers.length === 0 && parcel.reply !== undefined) {
      const answer = { subject: parcel.reply, data: new Uint8Array(), reply: undefined, isUnheard: true };
      this.#deliver(from, from, answer);
      return;
    }
    for (const to of receivers) {
      if (to !== from && (this.#cuts.has(`${from.name}→${to.name}`) || random() < this.lossShare)) continue;
      this.#deliver(from, to, { ...parcel, isUnheard: false });
      if (random() < this.duplicateShare) this.#deliver(from, to, { ...parcel, isUnheard: false });
    }
  }

  #deliver(from: FakeBus, to: FakeBus, message: BusMessage): void {
    const link = `${from.name}→${to.name}`;
    const nowMs = this.#options.now();
    const wanted = nowMs + Math.floor(this.#options.random() * (this.delayMaxMs + 1));
    const arrival = Math.max(wanted, this.#arrivals.get(link) ?? 0);
    this.#arrivals.set(link, arrival);
    const { life } = to;
    this.#options.after(arrival - nowMs, () => {
      if (to.life === life) to.deliver(message);
    });
  }
}

export class FakeBus implements Bus {
  readonly name: string;
  readonly #net: FakeNet;
  readonly #run: (callback: () => void) => void;
  readonly #listenings = new Set<Listening>();
  readonly #onConnection = new Set<(isConnected: boolean) => void>();
  #isConnected = true;
  /** Counts connections: what was on its way to an earlier one is lost. */
  life = 1;

  constructor(net: FakeNet, name: string, run: (callback: () => void) => void) {
    this.#net = net;
    this.name = name;
    this.#run = run;
  }

  /** Subscriptions that are still there. */
  get listenings(): number {
    return this.#listenings.size + this.#onConnection.size;
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    if (this.#isConnected) this.#net.carry(this, { subject, data, reply });
  }

  subscribe(subject: string, listener: (message: BusMessage) => void): () => void {
    const listening = { subject, listener };
    this.#listenings.add(listening);
    return () => this.#listenings.delete(listening);
  }

  isConnected(): boolean {
    return this.#isConnected;
  }

  onConnection(listener: (isConnected: boolean) => void): () => void {
    this.#onConnection.add(listener);
    return () => this.#onConnection.delete(listener);
  }

  /** Lost, or found again. */
  connect(isConnected: boolean): void {
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    this.life += 1;
    this.#run(() => {
      for (const listener of this.#onConnection) listener(isConnected);
    });
  }

  hears(subject: string): boolean {
    for (const listening of this.#listenings) if (isHeardOn(listening.subject, subject)) return true;
    return false;
  }

  deliver(message: BusMessage): void {
    this.#run(() => {
      for (const { subject, listener } of this.#listenings) if (isHeardOn(subject, message.subject)) listener(message);
    });
  }
}
