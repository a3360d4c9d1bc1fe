// People who look at seat maps as they change: many event streams, read and thrown away.

import { connect, type Socket } from "node:net";

export class SeatStreams {
  readonly #sockets: Socket[] = [];
  #failure: unknown;
  #isClosing = false;
  /** Heard so far, by all of them. */
  deltas = 0;

  /** Stream i looks at the show `showIdOf(i)`. Resolves when each has its first event. */
  static async open(urls: readonly string[], count: number, showIdOf: (index: number) => string): Promise<SeatStreams> {
    const streams = new SeatStreams();
    const paths = Array.from({ length: count }, (_, i) => `/v1/shows/${showIdOf(i)}/seatmap/stream`);
    await Promise.all(paths.map((path, i) => streams.#open(urls[i % urls.length] as string, path)));
    return streams;
  }

  /** Throws when one of them ended. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  close(): void {
    this.#isClosing = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #open(url: string, path: string): Promise<void> {
    const { hostname, port, host } = new URL(url);
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      this.#sockets.push(socket);
      socket.setEncoding("latin1");
      socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: text/event-stream\r\n\r\n`);
      socket.on("data", (text: string) => {
        // One that is cut in two by a chunk is missed: it is a count of what goes on, nothing more.
        this.deltas += text.split("event: delta").length - 1;
        if (text.includes("event: snapshot")) resolve();
      });
      const ended = (error?: unknown): void => {
        if (this.#isClosing) return;
        this.#failure ??= error ?? new Error(`the stream ${path} ended`);
        reject(this.#failure);
      };
      socket.on("error", ended);
      socket.on("close", () => ended());
    });
  }
}
