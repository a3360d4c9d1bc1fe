// The one adapter to Postgres: pools that outlive lost connections, and what an error means for the write behind it.
// Q1: `unknown` is the only fault after which a statement may have been committed. Whoever sees it reads again before
//     it says anything; every other fault is a certain no.
// Q2: int8 arrives as a number; a value beyond 2^53 is an error, never a rounded number.

import pg from "pg";
import type { Log } from "./log.ts";

export type Pool = pg.Pool;
export type PoolClient = pg.PoolClient;

export interface PoolOptions {
  readonly url: string;
  /** Connections at most; further queries wait for one, at most `connectTimeoutMs`. */
  readonly max: number;
  /** What `pg_stat_activity` shows. */
  readonly applicationName: string;
  /** The server aborts longer statements (`aborted`); 0 is none. */
  readonly statementTimeoutMs: number;
  readonly connectTimeoutMs: number;
  /** Server settings of every connection, e.g. `{ enable_seqscan: "off" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly log?: Log;
}

/** A server that hangs cannot keep its own statement timeout; this much later the client gives up (`unknown`). */
const HUNG_SERVER_MARGIN_MS = 1_000;
const IDLE_CONNECTION_MS = 60_000;
const KEEP_ALIVE_DELAY_MS = 10_000;

export function createPool(options: PoolOptions): Pool {
  const { statementTimeoutMs } = options;
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.max,
    application_name: options.applicationName,
    connectionTimeoutMillis: options.connectTimeoutMs,
    idleTimeoutMillis: IDLE_CONNECTION_MS,
    options: Object.entries(options.settings ?? {})
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(" "),
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_DELAY_MS,
    types: typeParsers(),
    ...(statementTimeoutMs > 0 && {
      statement_timeout: statementTimeoutMs,
      query_timeout: statementTimeoutMs + HUNG_SERVER_MARGIN_MS,
    }),
  });
  // Without these two, a connection that is lost while nobody asks ends the process.
  pool.on("error", (error) => options.log?.warn({ reason: error.message }, "idle Postgres connection lost"));
  pool.on("connect", (client) => client.on("error", () => undefined));
  return pool;
}

const INT8 = 20;
const INT8_ARRAY = 1016;

function typeParsers(): pg.CustomTypesConfig {
  const overrides = new pg.TypeOverrides();
  overrides.setTypeParser(INT8, parseInt8);
  // pg's own types do not list the array types, its table of parsers does.
  const parseArray = pg.types.getTypeParser(INT8_ARRAY as never) as (text: string) => (string | null)[];
  overrides.setTypeParser(INT8_ARRAY, (text: string) =>
    parseArray(text).map((item) => (item === null ? null : parseInt8(item))),
  );
  return overrides;
}

function parseInt8(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new RangeError(`int8 ${text} is beyond 2^53`);
  return value;
}

export type StoreFault =
  /** No connection could be had: nothing was sent. */
  | { readonly kind: "unavailable"; readonly sqlState: string | undefined; readonly message: string }
  /** An integrity constraint (23xxx) refused it. */
  | {
      readonly kind: "conflict";
      readonly sqlState: string;
      readonly constraint: string | undefined;
      readonly detail: string | undefined;
      readonly message: string;
    }
  /** A value cannot be stored (22xxx), e.g. a NUL byte in a text. */
  | { readonly kind: "bad_data"; readonly sqlState: string; readonly message: string }
  /** The server refused or rolled back for another reason: deadlock, timeout, disk full. Certainly not committed. */
  | { readonly kind: "aborted"; readonly sqlState: string; readonly message: string }
  /** The connection was lost or timed out with the statement under way: it may have been committed. */
  | { readonly kind: "unknown"; readonly sqlState: string | undefined; readonly message: string };

/** System calls that come before a connection: what fails there was never sent. */
const BEFORE_SENDING = new Set(["connect", "getaddrinfo"]);
/** What pg and pg-pool say (they carry no code) when no connection was there to send anything on. */
const NOT_SENT = [
  "timeout exceeded when trying to connect",
  "Connection terminated due to connection timeout",
  "Cannot use a pool after calling end on the pool",
  "Client has encountered a connection error and is not queryable",
  "Client was closed and is not queryable",
];
/** FATAL answers to the attempt to connect: starting up, too many clients, no such database, wrong password. */
const REFUSED_AT_CONNECT = /^(57P03|53300|3D000|28)/;

/** What an error of a query means. Of anything else too: then nothing is known. */
export function faultOf(error: unknown): StoreFault {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof pg.DatabaseError && error.code !== undefined) return answeredFault(error, error.code);
  const isUnsent = failedToConnect(error) || NOT_SENT.some((text) => message.includes(text));
  return { kind: isUnsent ? "unavailable" : "unknown", sqlState: undefined, message };
}

function failedToConnect(error: unknown): boolean {
  // Several addresses of one name, all refused.
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(failedToConnect);
  return error instanceof Error && "syscall" in error && BEFORE_SENDING.has(String(error.syscall));
}

function answeredFault(error: pg.DatabaseError, sqlState: string): StoreFault {
  const { message, constraint, detail } = error;
  if (error.severity !== "ERROR") {
    return { kind: REFUSED_AT_CONNECT.test(sqlState) ? "unavailable" : "unknown", sqlState, message };
  }
  if (sqlState.startsWith("23")) return { kind: "conflict", sqlState, constraint, detail, message };
  if (sqlState.startsWith("22")) return { kind: "bad_data", sqlState, message };
  // 08: the server lost its own connection to another; 40003: it does not know itself.
  if (sqlState.startsWith("08") || sqlState === "40003") return { kind: "unknown", sqlState, message };
  return { kind: "aborted", sqlState, message };
}
