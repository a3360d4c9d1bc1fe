// A receiver of webhooks as its own author would write it: a real HTTP server that checks signatures with somebody
// else's library, and that can be told to behave badly.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import type { Test } from "tap";
import type { News } from "../../shared/protocol/show-news.ts";

export type Reaction =
  | number
  | { readonly status: number; readonly headers: Readonly<Record<string, string>> }
  /** Takes the request and says nothing. */
  | "hang"
  /** Closes the connection without an answer. */
  | "drop"
  /** 200, and dies in the middle of the body it announced. */
  | "drop_mid_answer"
  /** 200, and a body that never ends. */
  | "endless"
  /** 200, a piece of a body, and silence. */
  | "trickle"
  /** Not HTTP. */
  | "babble";

export interface Request {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly news: News;
  /** What the library said: `undefined` is no complaint. */
  readonly complaint: string | undefined;
}

export interface Receiver {
  readonly url: string;
  readonly port: number;
  readonly requests: readonly Request[];
  /** Ids answered with 2xx, in order. */
  readonly taken: readonly string[];
  /** Most requests that were open at once; most connections too. */
  readonly peak: { requests: number; connections: number };
  /** Connections made so far. */
  connectionsMade(): number;
  /** Resolves when so many requests have come. */
  requested(count: number): Promise<void>;
  /** Resolves when no connection is left. */
  deserted(): Promise<void>;
  closeIdle(): void;
  stop(): Promise<void>;
}

export interface ReceiverOptions {
  readonly secret: string;
  readonly port?: number;
  readonly react?: (request: Request, index: number) => Reaction;
}

export async function startReceiver(t: Test, options: ReceiverOptions): Promise<Receiver> {
  const { secret, port = 0, react = () => 204 } = options;
  const webhook = new Webhook(secret);
  const requests: Request[] = [];
  const taken: string[] = [];
  const peak = { requests: 0, connections: 0 };
  const waiting = new Set<() => void>();
  let [open, connections, made] = [0, 0, 0];
  const changed = (): void => {
    for (const look of waiting) look();
  };
  const until = (isTrue: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!isTrue()) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    message.on("end", () => {
      const request = requestOf(message, Buffer.concat(chunks).toString("utf8"), webhook);
      const reaction = react(request, requests.length);
      peak.requests = Math.max(peak.requests, ++open);
      response.on("close", () => {
        open--;
        changed();
      });
      requests.push(request);
      if (typeof reaction === "number" && reaction >= 200 && reaction <= 299) taken.push(request.news.id);
      perform(reaction, response);
      changed();
    });
  });
  server.keepAliveTimeout = 60_000;
  server.on("connection", (socket) => {
    made++;
    peak.connections = Math.max(peak.connections, ++connections);
    socket.on("close", () => {
      connections--;
      changed();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  t.teardown(stop);
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}/hook`,
    port: address.port,
    requests,
    taken,
    peak,
    connectionsMade: () => made,
    requested: (count) => until(() => requests.length >= count),
    deserted: () => until(() => connections === 0),
    closeIdle: () => server.closeIdleConnections(),
    stop,
  };
}

function requestOf(message: IncomingMessage, body: string, webhook: Webhook): Request {
  let complaint: string | undefined;
  try {
    webhook.verify(body, message.headers as Record<string, string>);
  } catch (error) {
    complaint = error instanceof Error ? error.message : String(error);
  }
  const { headers, url = "" } = message;
  return { path: url, headers, body, news: JSON.parse(body) as News, complaint };
}

const PIECE = Buffer.alloc(16 * 1024, "x");

function perform(reaction: Reaction, response: ServerResponse): void {
  switch (reaction) {
    case "hang":
      return;
    case "drop":
      response.socket?.destroy();
      return;
    case "drop_mid_answer":
      response.writeHead(200, { "content-length": "1000" });
      response.write("half of it", () => response.socket?.destroy());
      return;
    case "trickle":
      response.writeHead(200, { "content-length": "1000" });
      response.write("a piece");
      return;
    case "babble":
      response.socket?.end("220 smtp.example ESMTP\r\n");
      return;
    case "endless": {
      response.writeHead(200);
      const more = (): void => {
        if (response.destroyed) return;
        response.write(PIECE, more);
      };
      more();
      return;
    }
    default: {
      const { status, headers } = typeof reaction === "number" ? { status: reaction, headers: {} } : reaction;
      response.writeHead(status, headers).end();
    }
  }
}
