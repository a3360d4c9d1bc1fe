// A wire of ours between two parts that talk over TCP: it can be cut one way or both, slowed, blocked and torn.
// Up is from who connects to who listens, down the way back.
// W1: a cut tells nobody: no FIN and no RST passes it, new connections open and say nothing.
// W2: a cut keeps what is sent, as a sender's TCP would, and delivers it late when it is mended; or it swallows it, and
//     then a connection that lost bytes is reset when it is mended: nobody ever sees a stream with a hole.
// W3: a block reads nothing, so that the buffers of both systems fill up and writers come to a stand.

import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { systemTimers } from "../../shared/platform/timers.ts";
import type { TestScope } from "./postgres.ts";

export type Direction = "up" | "down" | "both";
type Flow = "pass" | "keep" | "swallow" | "block";

/** What a cut keeps of one connection and direction; beyond it is a block. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

/** One direction of all connections. */
interface Wire {
  flow: Flow;
  delayMs: number;
}

interface Parcel {
  readonly bytes: Buffer;
  readonly dueAt: number;
}

/** One direction of one connection. */
class Lane {
  readonly #wire: Wire;
  readonly #from: Socket;
  readonly #to: Socket;
  #parcels: Parcel[] = [];
  #keptBytes = 0;
  #end: "open" | "ended" | "closed" = "open";
  #isTimed = false;
  isTorn = false;

  constructor(wire: Wire, from: Socket, to: Socket) {
    this.#wire = wire;
    this.#from = from;
    this.#to = to;
    from.on("data", (bytes: Buffer) => this.#take(bytes));
    from.on("end", () => this.#finish("ended"));
    from.on("close", () => this.#finish("closed"));
    to.on("drain", () => this.move());
  }

  #take(bytes: Buffer): void {
    if (this.#wire.flow === "swallow") {
      this.isTorn = true;
      return;
    }
    this.#parcels.push({ bytes, dueAt: performance.now() + this.#wire.delayMs });
    this.#keptBytes += bytes.length;
    this.move();
  }

  #finish(end: "ended" | "closed"): void {
    this.#end = end;
    this.move();
  }

  /** Passes on what may pass now. Called when anything has changed. */
  move(): void {
    const { flow } = this.#wire;
    if (flow === "pass" && !this.#to.connecting) this.#deliver();
    const mayRead = flow !== "block" && this.#keptBytes < KEPT_BYTES_MAX && !this.#to.writableNeedDrain;
    if (mayRead) this.#from.resume();
    else this.#from.pause();
  }

  #deliver(): void {
    const now = performance.now();
    while (!this.#to.writableNeedDrain) {
      const next = this.#parcels[0];
      if (next === undefined) break;
      if (next.dueAt > now) return this.#lookAgain(next.dueAt - now);
      this.#parcels.shift();
      this.#keptBytes -= next.bytes.length;
      this.#to.write(next.bytes);
    }
    if (this.#parcels.length > 0 || this.#end === "open") return;
    if (this.#end === "ended") this.#to.end();
    else this.#to.destroySoon();
  }

  #lookAgain(delayMs: number): void {
    if (this.#isTimed) return;
    this.#isTimed = true;
    systemTimers.setTimeout(() => {
      this.#isTimed = false;
      this.move();
    }, delayMs);
  }
}

interface Connection {
  readonly near: Socket;
  readonly far: Socket;
  readonly lanes: readonly Lane[];
}

export class TcpProxy {
  readonly #server: Server;
  #targetPort: number;
  readonly #up: Wire = { flow: "pass", delayMs: 0 };
  readonly #down: Wire = { flow: "pass", delayMs: 0 };
  readonly #connections = new Set<Connection>();
  /** Came in while nothing passed upwards: nobody has heard of them. */
  readonly #unheard = new Set<Socket>();

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => this.#accept(near));
  }

  /** On loopback, between anybody and `targetPort`; closed with the test. */
  static async start(t: TestScope, targetPort: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(targetPort);
    proxy.#server.listen(0, "127.0.0.1");
    await once(proxy.#server, "listening");
    t.teardown(() => proxy.close());
    return proxy;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the proxy is closed");
    return address.port;
  }

  /** The same address by this wire. */
  through(url: string): string {
    const address = new URL(url);
    address.hostname = "127.0.0.1";
    address.port = String(this.port);
    return address.href;
  }

  get connectionCount(): number {
    return this.#connections.size + this.#unheard.size;
  }

  /** `keep`: what is sent arrives when the cut is mended; `swallow`: it never does. (W1, W2) */
  cut(direction: Direction, what: "keep" | "swallow" = "keep"): void {
    this.#set(direction, { flow: what });
  }

  /** W3. */
  block(direction: Direction = "both"): void {
    this.#set(direction, { flow: "block" });
  }

  delay(delayMs: number, direction: Direction = "both"): void {
    this.#set(direction, { delayMs });
  }

  /** Everything passes again, at once. */
  mend(): void {
    for (const { near, far, lanes } of this.#connections) {
      if (!lanes.some(({ isTorn }) => isTorn)) continue;
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    this.#set("both", { flow: "pass", delayMs: 0 });
    for (const near of [...this.#unheard]) {
      this.#unheard.delete(near);
      this.#dial(near);
    }
  }

  /** RST to both ends of every connection. */
  reset(): void {
    for (const socket of this.#sockets()) socket.resetAndDestroy();
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets()) socket.destroy();
    await closed;
  }

  #sockets(): Socket[] {
    return [...this.#unheard, ...[...this.#connections].flatMap(({ near, far }) => [near, far])];
  }

  #set(direction: Direction, change: Partial<Wire>): void {
    if (direction !== "down") Object.assign(this.#up, change);
    if (direction !== "up") Object.assign(this.#down, change);
    for (const { lanes } of this.#connections) for (const lane of lanes) lane.move();
  }

  #accept(near: Socket): void {
    near.on("error", () => undefined);
    if (this.#up.flow === "pass") return this.#dial(near);
    near.pause();
    this.#unheard.add(near);
    near.once("close", () => this.#unheard.delete(near));
  }

  #dial(near: Socket): void {
    const far = connect({ host: "127.0.0.1", port: this.#targetPort, allowHalfOpen: true, noDelay: true });
    const lanes = [new Lane(this.#up, near, far), new Lane(this.#down, far, near)];
    const connection: Connection = { near, far, lanes };
    this.#connections.add(connection);
    // Nobody listens there, or who did was killed.
    far.on("error", () => {
      if (this.#down.flow === "pass") near.resetAndDestroy();
    });
    far.once("connect", () => {
      for (const lane of lanes) lane.move();
    });
    const onClose = (): void => {
      if (near.destroyed && far.destroyed) this.#connections.delete(connection);
    };
    near.once("close", onClose);
    far.once("close", onClose);
  }
}
