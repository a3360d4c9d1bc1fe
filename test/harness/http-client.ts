// A load client of as little as will do: one keep-alive connection, requests sent as they come (pipelined), answers in
// their order and with a Content-Length. It shares two cores with what it measures; Node's own client costs several times as much.

import { connect, type Socket } from "node:net";

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

interface Outstanding {
  readonly resolve: (answer: HttpAnswer) => void;
  readonly reject: (error: Error) => void;
}

const HEAD_END = Buffer.from("\r\n\r\n");

export class LoadConnection {
  readonly #socket: Socket;
  readonly #host: string;
  #received: Buffer = Buffer.alloc(0);
  #outstanding: Outstanding[] = [];

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#host = host;
    socket.on("data", (chunk: Buffer) => this.#onData(chunk));
    socket.on("error", (error) => this.#fail(error));
    socket.on("close", () => this.#fail(new Error("connection closed")));
  }

  /** `from`: the local address, e.g. 127.0.0.2; one address has some 28,000 ports to one server. */
  static open(url: string, from?: string): Promise<LoadConnection> {
    const { hostname, port, host } = new URL(url);
    const local = from === undefined ? {} : { localAddress: from };
    return new Promise((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true, ...local });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new LoadConnection(socket, host));
      });
    });
  }

  /** `headers`: whole lines, each ending in CRLF. Rejects when the connection is lost before the answer is whole. */
  request(method: string, path: string, headers: string, body?: string): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) return reject(new Error("the server closed the connection"));
      this.#outstanding.push({ resolve, reject });
      const length =
        body === undefined ? "" : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
      this.#socket.write(`${method} ${path} HTTP/1.1\r\nHost: ${this.#host}\r\n${headers}${length}\r\n${body ?? ""}`);
    });
  }

  close(): void {
    this.#outstanding = [];
    this.#socket.destroy();
  }

  #fail(error: Error): void {
    const outstanding = this.#outstanding;
    this.#outstanding = [];
    for (const { reject } of outstanding) reject(error);
  }

  #onData(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    while (this.#takeAnswer());
  }

  /** Whether a whole answer had arrived. */
  #takeAnswer(): boolean {
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd < 0) return false;
    const head = this.#received.toString("latin1", 0, headEnd);
    const bodyStart = headEnd + HEAD_END.length;
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#received.length < bodyStart + length) return false;
    const body = this.#received.toString("utf8", bodyStart, bodyStart + length);
    this.#received = this.#received.subarray(bodyStart + length);
    this.#outstanding.shift()?.resolve({ status: Number(head.slice(9, 12)), body });
    return true;
  }
}

/** One request on a connection of its own. Throws when the answer is not a success. */
export async function once(
  url: string,
  method: string,
  path: string,
  headers: string,
  body?: string,
): Promise<unknown> {
  const connection = await LoadConnection.open(url);
  try {
    const answer = await connection.request(method, path, headers, body);
    if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.body}`);
    return JSON.parse(answer.body);
  } finally {
    connection.close();
  }
}
