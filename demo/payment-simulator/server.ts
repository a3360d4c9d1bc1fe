// The payment simulator: a server that speaks the subset of Stripe's PaymentIntents API that Usher uses, with a ledger
// that survives kill -9. For the embedded default, for tests and for measurements; never for money. It binds to the
// loopback interface, unless told otherwise: its ledger is for everybody to read.
// V1: no answer leaves before every record written so far is on disk, so nothing told can be forgotten.
// V2: one process owns a data folder at a time.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { parse as parseForm } from "node:querystring";
import { type FolderLock, lockFolder } from "../../shared/platform/embedded-postgres/folder-lock.ts";
import { makeFolder } from "../../shared/platform/folder.ts";
import { fileFault, StartFault } from "../../shared/platform/start-fault.ts";
import { systemTimers, type Timers } from "../../shared/platform/timers.ts";
import { wallClockMs } from "../../shared/platform/wall-clock.ts";
import { Book, type Intent, type LedgerRecord } from "./book.ts";
import { HeldRequests } from "./held-requests.ts";
import { LedgerFile, ledgerPathOf } from "./ledger-file.ts";
import { writeLedger } from "./ledger-route.ts";
import { type ApiAnswer, PaymentApi } from "./payment-api.ts";
import { DUPLICATE_TOKEN } from "./payment-tokens.ts";
import { searchIntents } from "./search.ts";
import { errorReply, intentObject, invalid, type Reply } from "./stripe-json.ts";
import { Webhooks, type WebhookTarget } from "./webhooks.ts";

/** The key the simulator accepts unless told another. It guards nothing. */
export const SIMULATOR_KEY = "sk_test_usher_simulator";
export const LATE_MS_DEFAULT = 5_000;
const BODY_BYTES_MAX = 16 * 1024;
const CONNECTIONS_MAX = 4_096;
const KEEP_ALIVE_MS = 75_000;
const REQUEST_MS_MAX = 10_000;
const HEADERS_MS_MAX = 5_000;

export interface PaymentSimulatorOptions {
  /** Made when it does not exist. */
  readonly dataDir: string;
  /** 0: any free one. */
  readonly port: number;
  /** An address of this machine; 127.0.0.1 unless said. */
  readonly host?: string;
  readonly apiKey?: string;
  readonly lateMs?: number;
  /** Who is told what becomes of payments; nobody unless said, here or by `sendWebhooksTo`. */
  readonly webhook?: WebhookTarget;
  readonly timers?: Timers;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

export interface PaymentSimulator {
  readonly url: string;
  /** Settles, with the reason, when the ledger can no longer be written; from then on every answer is a 500. */
  readonly broken: Promise<unknown>;
  sendWebhooksTo(target: WebhookTarget): void;
  /** Ends held requests and connections; everything answered is on disk. */
  close(): Promise<void>;
}

/** Throws a StartFault when the folder is taken or damaged, or the port is. */
export async function startPaymentSimulator(options: PaymentSimulatorOptions): Promise<PaymentSimulator> {
  const lock = await takeFolder(options.dataDir);
  let file: LedgerFile | undefined;
  try {
    const book = new Book();
    file = await LedgerFile.open(ledgerPathOf(options.dataDir), (record) => book.apply(record as LedgerRecord));
    const service = new Service(book, file, options);
    const url = await service.listen(options.port, options.host ?? "127.0.0.1");
    const close = async () => {
      await service.close();
      await lock.release();
    };
    return { url, broken: file.broken, sendWebhooksTo: (target) => service.webhooks.sendTo(target), close };
  } catch (error) {
    await file?.close();
    await lock.release();
    throw error;
  }
}

async function takeFolder(folder: string): Promise<FolderLock> {
  try {
    await makeFolder(folder, 0o700);
  } catch (error) {
    throw fileFault(folder, error);
  }
  return lockFolder(folder);
}

class Service {
  readonly #book: Book;
  readonly #file: LedgerFile;
  readonly #api: PaymentApi;
  readonly #held: HeldRequests;
  readonly webhooks: Webhooks;
  readonly #authorization: string;
  readonly #server: Server;
  #requests = 0;

  constructor(book: Book, file: LedgerFile, options: PaymentSimulatorOptions) {
    const { timers = systemTimers, now = wallClockMs } = options;
    this.#book = book;
    this.#file = file;
    this.webhooks = new Webhooks({ timers, now, target: options.webhook });
    this.#api = new PaymentApi({
      book,
      file,
      timers,
      now,
      onEvent: (type, intent) => this.#announce(type, intent),
      lateMs: options.lateMs ?? LATE_MS_DEFAULT,
    });
    this.#held = new HeldRequests(timers);
    this.#authorization = `Bearer ${options.apiKey ?? SIMULATOR_KEY}`;
    this.#server = createServer(
      {
        keepAliveTimeout: KEEP_ALIVE_MS,
        requestTimeout: REQUEST_MS_MAX,
        headersTimeout: HEADERS_MS_MAX,
        noDelay: true,
      },
      (request, response) => this.#receive(request, response),
    );
    this.#server.maxConnections = CONNECTIONS_MAX;
  }

  listen(port: number, host: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (error) =>
        reject(
          new StartFault("port_taken", `The payment simulator cannot listen on port ${port}: ${error.message}`, error),
        ),
      );
      this.#server.listen(port, host, () => {
        const shown = host.includes(":") ? `[${host}]` : host;
        resolve(`http://${shown}:${(this.#server.address() as AddressInfo).port}`);
      });
    });
  }

  async close(): Promise<void> {
    this.#api.close();
    this.#held.close();
    await this.webhooks.close();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    await this.#file.durable().catch(() => undefined);
    this.#server.closeAllConnections();
    await closed;
    await this.#file.close();
  }

  /** The same event has the same id, however often it is delivered. */
  #announce(type: string, intent: Readonly<Intent>): void {
    if (!this.webhooks.isWanted) return;
    const id = `evt_${intent.id.slice("pi_".length)}_${type.slice(type.indexOf(".") + 1)}`;
    this.webhooks.send({ id, type, object: intentObject(intent), copies: intent.token === DUPLICATE_TOKEN ? 2 : 1 });
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    });
    request.on("end", () => {
      if (bytes > BODY_BYTES_MAX) return this.#send(response, invalid(`A body has at most ${BODY_BYTES_MAX} bytes.`));
      this.#answer(request, chunks.length === 0 ? "" : Buffer.concat(chunks).toString("utf8"), response);
    });
  }

  #answer(request: IncomingMessage, body: string, response: ServerResponse): void {
    let answer: ApiAnswer | "ledger";
    try {
      answer = this.#route(request, body);
    } catch (error) {
      answer = errorReply(500, { type: "api_error", message: error instanceof Error ? error.message : String(error) });
    }
    if (answer === "never") this.#held.hold(response);
    else if (answer === "ledger") this.#afterSync(response, () => writeLedger(this.#book, response));
    else if (answer instanceof Promise) void answer.then((reply) => this.#reply(response, reply));
    else this.#reply(response, answer);
  }

  #route(request: IncomingMessage, body: string): ApiAnswer | "ledger" {
    const [path = "", query] = (request.url ?? "").split("?", 2);
    const parts = path.split("/");
    const route = `${request.method} ${parts.slice(1, 3).join("/")}/${parts.length > 3 ? ":id/" : ""}${parts[4] ?? ""}`;
    if (route === "GET sim/health/") return this.#health();
    if (route === "GET sim/ledger/") return "ledger";
    if (request.headers.authorization !== this.#authorization) {
      return errorReply(401, { type: "invalid_request_error", message: "Invalid API Key provided." });
    }
    const id = parts[3] ?? "";
    const key = request.headers["idempotency-key"];
    const form = { path, key: typeof key === "string" ? key : undefined, body: parseForm(body) };
    if (`${request.method} ${path}` === "GET /v1/payment_intents/search") {
      return searchIntents(this.#book, new URLSearchParams(query));
    }
    switch (parts.length > 5 || query !== undefined ? "" : route) {
      case "POST v1/payment_intents/":
        return this.#api.create(form);
      case "GET v1/payment_intents/:id/":
        return this.#api.retrieve(id);
      case "POST v1/payment_intents/:id/capture":
        return this.#api.capture(id, form);
      case "POST v1/payment_intents/:id/cancel":
        return this.#api.cancel(id, form);
      case "POST v1/refunds/":
        return this.#api.refund(form);
      default:
        return errorReply(404, {
          type: "invalid_request_error",
          message: `Unrecognized request URL (${request.method}: ${path}).`,
        });
    }
  }

  #health(): Reply {
    const { intentCount: intents, refundCount: refunds, processing } = this.#book;
    const { waiting, counts } = this.webhooks;
    const webhooks = { waiting, delivered: counts.delivered, given_up: counts.givenUp };
    const held = this.#held.size;
    const body = JSON.stringify({ status: "ok", intents, refunds, processing: processing.size, held, webhooks });
    return { status: 200, body };
  }

  #reply(response: ServerResponse, reply: Reply): void {
    this.#afterSync(response, () => this.#send(response, reply));
  }

  #afterSync(response: ServerResponse, send: () => void): void {
    this.#file.durable().then(send, () => {
      this.#send(response, errorReply(500, { type: "api_error", message: "The ledger cannot be written." }));
    });
  }

  #send(response: ServerResponse, reply: Reply): void {
    if (response.destroyed) return;
    response.writeHead(reply.status, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(reply.body),
      "request-id": `req_sim_${++this.#requests}`,
      ...(reply.replayed === true ? { "idempotent-replayed": "true" } : {}),
    });
    response.end(reply.body);
  }
}
