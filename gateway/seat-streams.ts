// Server-sent events of seat maps: one channel a show, any number of streams on it. Each event is encoded once.
// T1: a stream begins with a snapshot and sees every later version in order; a gap or a new epoch is a new snapshot.
// T2: a client that reads slower than its show changes is cut off, not waited for: at most `bufferBytesMax` each.
//     It comes back (EventSource does by itself) and begins with a snapshot.
// T3: one timer sends all heartbeats; none is armed while nobody listens.

import type { ShowId } from "../shared/kernel/ids.ts";
import type { TimerHandle, Timers } from "../shared/platform/timers.ts";
import type { ShowUpdate } from "../shared/protocol/reply.ts";
import type { SeatView } from "./seat-view.ts";
import type { SeatViewRead, SeatViews } from "./seat-views.ts";

export interface SeatStreamsOptions {
  readonly views: SeatViews;
  readonly timers: Timers;
  /** 2,000 unless said; fewer than the views, which they keep from being dropped. */
  readonly streamsMax?: number;
  /** 64 KiB unless said: a hundred snapshots of a large hall, or a thousand deltas. */
  readonly bufferBytesMax?: number;
}

const HEARTBEAT_MS = 15_000;
/** What EventSource waits before it comes back. */
const RECONNECT_MS = 2_000;

export type OpenedStream =
  | { readonly kind: "stream"; readonly body: ReadableStream<Uint8Array> }
  | { readonly kind: "full" }
  | { readonly kind: "stopping" }
  | Exclude<SeatViewRead, { kind: "view" }>;

/** The connection of a client that is too slow is broken off by this; without it the stream fails. */
export type Abort = (() => void) | undefined;

export class SeatStreams {
  readonly #views: SeatViews;
  readonly #timers: Timers;
  readonly #streamsMax: number;
  readonly #bufferBytesMax: number;
  readonly #channels = new Map<ShowId, Channel>();
  #size = 0;
  #heartbeat: TimerHandle | undefined;
  #isStopped = false;

  constructor(options: SeatStreamsOptions) {
    this.#views = options.views;
    this.#timers = options.timers;
    this.#streamsMax = options.streamsMax ?? 2_000;
    this.#bufferBytesMax = options.bufferBytesMax ?? 64 * 1024;
  }

  /** Streams open or being opened. */
  get size(): number {
    return this.#size;
  }

  async open(showId: ShowId, abort: Abort): Promise<OpenedStream> {
    if (this.#isStopped) return { kind: "stopping" };
    if (this.#size >= this.#streamsMax) return { kind: "full" };
    // It joins before the reading: a thousand that come at once are a thousand, and the show is watched meanwhile.
    const stream = new Stream(this.#bufferBytesMax, abort, () => this.#leave(showId, stream));
    const channel = this.#channelOf(showId);
    channel.add(stream);
    this.#size += 1;
    let isOpen = false;
    try {
      const read = await this.#views.read(showId);
      if (read.kind !== "view") return read;
      if (this.#isStopped) return { kind: "stopping" };
      isOpen = true;
      this.#heartbeat ??= this.#timers.setTimeout(this.#beat, HEARTBEAT_MS);
      // No await between the view and the stream's start: no version falls in between (T1).
      return { kind: "stream", body: stream.start([RETRY_LINE, snapshotEvent(read.view, read.isStale)]) };
    } finally {
      if (!isOpen) this.#leave(showId, stream);
    }
  }

  /** Ends every stream in good order and opens no more. */
  stop(): void {
    this.#isStopped = true;
    this.#timers.clearTimeout(this.#heartbeat);
    this.#heartbeat = undefined;
    for (const channel of [...this.#channels.values()]) for (const stream of [...channel]) stream.end();
  }

  #channelOf(showId: ShowId): Channel {
    const known = this.#channels.get(showId);
    if (known !== undefined) return known;
    const channel: Channel = new Set();
    this.#channels.set(showId, channel);
    const send = (bytes: Uint8Array): void => {
      for (const stream of channel) stream.send(bytes);
    };
    this.#views.watch(showId, {
      delta: (update, previous) => send(deltaEvent(update, previous)),
      snapshot: (view) => send(snapshotEvent(view, false)),
    });
    return channel;
  }

  #leave(showId: ShowId, stream: Stream): void {
    const channel = this.#channels.get(showId);
    if (channel?.delete(stream) !== true) return;
    this.#size -= 1;
    if (channel.size > 0) return;
    this.#channels.delete(showId);
    this.#views.unwatch(showId);
  }

  readonly #beat = (): void => {
    this.#heartbeat = undefined;
    for (const channel of this.#channels.values()) for (const stream of channel) stream.send(HEARTBEAT);
    if (this.#size > 0) this.#heartbeat = this.#timers.setTimeout(this.#beat, HEARTBEAT_MS);
  };
}

type Channel = Set<Stream>;

const RETRY_LINE = Buffer.from(`retry: ${RECONNECT_MS}\n\n`);
const HEARTBEAT = Buffer.from(": \n\n");

const snapshotEvent = (view: SeatView, isStale: boolean): Buffer =>
  Buffer.concat([
    Buffer.from(`event: snapshot\nid: ${view.epoch}.${view.version}\ndata: `),
    view.bytes(isStale),
    Buffer.from("\n\n"),
  ]);

function deltaEvent({ epoch, version, changes, queued }: ShowUpdate, previous: number): Buffer {
  const data = JSON.stringify({ epoch, previous, version, changes, queued });
  return Buffer.from(`event: delta\nid: ${epoch}.${version}\ndata: ${data}\n\n`);
}

/** One client's stream. Before `start` it is deaf: the snapshot it starts with holds what it missed. */
class Stream {
  readonly #bufferBytesMax: number;
  readonly #abort: Abort;
  readonly #left: () => void;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;

  constructor(bufferBytesMax: number, abort: Abort, left: () => void) {
    this.#bufferBytesMax = bufferBytesMax;
    this.#abort = abort;
    this.#left = left;
  }

  start(first: readonly Uint8Array[]): ReadableStream<Uint8Array> {
    return new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
          for (const chunk of first) controller.enqueue(chunk);
        },
        cancel: () => this.#close(),
      },
      { highWaterMark: this.#bufferBytesMax, size: (chunk) => chunk.byteLength },
    );
  }

  send(bytes: Uint8Array): void {
    const controller = this.#controller;
    if (controller === undefined) return;
    if ((controller.desiredSize ?? 0) > 0) return controller.enqueue(bytes);
    this.#close();
    if (this.#abort === undefined) controller.error(new Error("the reader is too slow"));
    else this.#abort();
  }

  end(): void {
    const controller = this.#controller;
    this.#close();
    controller?.close();
  }

  #close(): void {
    this.#controller = undefined;
    this.#left();
  }
}
