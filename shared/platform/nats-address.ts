// NATS_URL, read: one or several servers of one NATS, and how to be let in.

export interface NatsServerAddress {
  /** Without the brackets of an IPv6 address. */
  readonly host: string;
  readonly port: number;
}

export interface NatsAddress {
  readonly servers: readonly NatsServerAddress[];
  readonly isTls: boolean;
  /** The same for all servers. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly token: string | undefined;
}

const DEFAULT_PORT = 4222;
const SERVERS_MAX = 16;

/**
 * `nats://user:password@host:4222,nats://other:4222`; `tls://` for TLS; a user without a password is a token.
 * `undefined` when it is none of that. The text may hold a password: say nothing of it.
 */
export function parseNatsUrl(text: string): NatsAddress | undefined {
  const parts = text.split(",").map((part) => part.trim());
  if (parts.length > SERVERS_MAX || !parts.every((part) => URL.canParse(part))) return undefined;
  const urls = parts.map((part) => new URL(part));
  const [first] = urls;
  if (first === undefined || !["nats:", "tls:"].includes(first.protocol)) return undefined;
  const isOne = urls.every(
    ({ protocol, hostname, pathname, search, hash }) =>
      protocol === first.protocol && hostname !== "" && ["", "/"].includes(pathname) && search === "" && hash === "",
  );
  const credentials = new Set(urls.map(({ username, password }) => `${username}:${password}`).filter((c) => c !== ":"));
  if (!isOne || credentials.size > 1) return undefined;
  const { username, password } = urls.find((url) => url.username !== "") ?? first;
  try {
    return {
      servers: urls.map(({ hostname, port }) => ({
        host: hostname.replace(/^\[(.*)\]$/, "$1"),
        port: port === "" ? DEFAULT_PORT : Number(port),
      })),
      isTls: first.protocol === "tls:",
      user: password === "" ? undefined : decodeURIComponent(username),
      password: password === "" ? undefined : decodeURIComponent(password),
      token: password === "" && username !== "" ? decodeURIComponent(username) : undefined,
    };
  } catch {
    // A stray `%`.
    return undefined;
  }
}
