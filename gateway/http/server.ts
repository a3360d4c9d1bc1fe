// The HTTP server under the app: sockets, time limits, and an end in good order. Knows nothing of routes.
// H1: a client has 5 s for its headers and 10 s for its whole request; one that dawdles is answered 408 and closed.
// H2: what Node refuses before the app sees it (broken syntax, headers too large) is a problem like any other.
// H3: `stop` listens no more, then answers whatever was asked already or is on its way: a connection that is idle is
//     closed STOP_IDLE_MS later, not at once (the app's answers end theirs), and after its bound whatever is left.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo, Server as NetServer, type Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { StartFault, systemCodeOf } from "../../shared/platform/start-fault.ts";
import { type Timers, within } from "../../shared/platform/timers.ts";
import type { Answer } from "./answer.ts";
import { PROBLEM_TYPE, problemAnswer } from "./problem.ts";

export interface HttpServerOptions {
  readonly fetch: Parameters<typeof getRequestListener>[0];
  readonly host: string;
  readonly port: number;
  readonly connectionsMax: number;
  readonly timers: Timers;
}

export interface HttpServer {
  readonly url: string;
  /** No new connection; resolves when the last one is closed. */
  stop(): Promise<void>;
}

const HEADERS_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
/** Node looks for late requests this often; its own 30 s would make the two above mean little. */
const TIMEOUT_CHECK_MS = 1_000;
const KEEP_ALIVE_MS = 30_000;
const HEADERS_MAX_BYTES = 8 * 1024;
const BACKLOG = 4_096;
/** A client that was refused has this long to read why and to close. */
const REFUSED_LINGER_MS = 1_000;
const STOP_BOUND_MS = 8_000;
const STOP_LOOK_MS = 25;
/** What is on the wire when the server stops has this long to arrive. */
const STOP_IDLE_MS = 500;

export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { timers } = options;
  const listener = getRequestListener(options.fetch, {
    // A URL or Host that makes no sense; everything later is answered inside the app.
    errorHandler: () => rawResponse("malformed_request"),
  });
  const server = createServer(
    {
      maxHeaderSize: HEADERS_MAX_BYTES,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      noDelay: true,
    },
    (request, response) => {
      // Refused already (H2), and what it sends afterwards has no answer any more.
      if (request.socket.writableEnded) request.socket.destroy();
      else void listener(request, response);
    },
  );
  server.maxConnections = options.connectionsMax;
  server.on("clientError", (error, socket) => refuseClient(error, socket as Socket, timers));
  server.on("checkExpectation", refuseExpectation);
  const silent = silentConnections(server);
  await listen(server, options.host, options.port);
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  return { url: `http://${host}:${port}`, stop: () => stop(server, silent, timers) };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error): void => reject(listenFault(host, port, error));
    server.once("error", onError);
    server.listen({ host, port, backlog: BACKLOG }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}

function listenFault(host: string, port: number, error: Error): StartFault {
  const code = systemCodeOf(error);
  if (code === "EADDRINUSE") {
    return new StartFault("port_taken", `Port ${port} is in use; choose another one with --port.`, error);
  }
  if (code === "EACCES") {
    return new StartFault("port_forbidden", `This user may not use port ${port}; choose one from 1024 on.`, error);
  }
  return new StartFault("listen", `Cannot listen on ${host}:${port}: ${error.message}.`, error);
}

/** Connections that have not asked for anything yet: Node counts those as busy, and they would outlast every answer. */
function silentConnections(server: Server): ReadonlySet<Socket> {
  const silent = new Set<Socket>();
  // One for all of them: there may be tens of thousands.
  function forget(this: Socket): void {
    silent.delete(this);
  }
  server.on("connection", (socket) => {
    silent.add(socket);
    socket.on("close", forget);
  });
  server.on("request", ({ socket }) => silent.delete(socket));
  return silent;
}

async function stop(server: Server, silent: ReadonlySet<Socket>, timers: Timers): Promise<void> {
  if (!server.listening) return;
  // Not the HTTP server's own `close`: that one resets idle connections whose next request is on its way already.
  const closed = new Promise<void>((resolve) => void NetServer.prototype.close.call(server, () => resolve()));
  let isLooking = true;
  // A connection that was busy is idle afterwards if its answer had begun before: it would stay for its keep-alive.
  const look = (): void => {
    if (!isLooking) return;
    for (const socket of silent) socket.destroy();
    server.closeIdleConnections();
    timers.setTimeout(look, STOP_LOOK_MS);
  };
  // After the I/O of that tick: under load the timer may be late, and requests lie there that were in time.
  timers.setTimeout(() => timers.setImmediate(look), STOP_IDLE_MS);
  await within(closed, STOP_BOUND_MS, () => server.closeAllConnections(), timers);
  isLooking = false;
  await closed;
  // Stops Node's look for late requests.
  server.close();
}

const CLIENT_ERRORS: Readonly<Record<string, ClientCode>> = {
  HPE_HEADER_OVERFLOW: "headers_too_large",
  ERR_HTTP_REQUEST_TIMEOUT: "request_timeout",
};

const CLIENT_DETAILS = {
  headers_too_large: `The headers may have ${HEADERS_MAX_BYTES} bytes together; send less.`,
  expectation_failed: "The only expectation this server meets is 100-continue; leave `Expect` out.",
  request_timeout: "The request did not arrive in time; send it again.",
  malformed_request: "This is not a well-formed HTTP request.",
} as const;

type ClientCode = keyof typeof CLIENT_DETAILS;

const clientProblem = (code: ClientCode): Answer => problemAnswer({ code, detail: CLIENT_DETAILS[code] }, "/", "-");

function rawResponse(code: ClientCode): Response {
  const { status, body } = clientProblem(code);
  return new Response(String(body), { status, headers: { "Content-Type": PROBLEM_TYPE, Connection: "close" } });
}

/** Its body, if there is one, is not read: the connection ends with the answer. */
function refuseExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const { status, body } = clientProblem("expectation_failed");
  response.writeHead(status, { "Content-Type": PROBLEM_TYPE, Connection: "close" }).end(body);
}

/** The connection ends whether or not the client closes its half: it would hold its place here for ever. */
function refuseClient(error: NodeJS.ErrnoException, socket: Socket, timers: Timers): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, body } = clientProblem(CLIENT_ERRORS[error.code ?? ""] ?? "malformed_request");
  const text = String(body);
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n` +
      `Connection: close\r\n\r\n${text}`,
  );
  // Not at once: closing over bytes unread would reset the connection, and the answer with it.
  const lingering = timers.setTimeout(() => socket.destroy(), REFUSED_LINGER_MS);
  socket.on("close", () => timers.clearTimeout(lingering));
}
