// Where webhooks go: the addresses of WEBHOOK_URLS, read once.
// E1: what lets one in (user and password) goes into the Authorization header and nowhere else: not into names, logs,
//     metrics or mistakes. Of the rest of an address only host and port are said, since a path or query may be a
//     secret too.
// E2: the name is made of the address without user and password: changing a password changes no name, so that the
//     endpoint goes on where it was.

import { createHash } from "node:crypto";
import { ok, type Parsed, wrong } from "./parsed.ts";

export const ENDPOINTS_MAX = 16;
const NAME_HASH_LENGTH = 12;

export interface Endpoint {
  /** `webhook:<hash>`: names its cursor. */
  readonly name: string;
  /** `example.org:8443`: for people to read. */
  readonly host: string;
  /** Without user, password and fragment. */
  readonly url: string;
  readonly authorization: string | undefined;
}

export function parseEndpoints(text: string): Parsed<readonly Endpoint[]> {
  const addresses = text.split(/[\s,]+/).filter((part) => part !== "");
  if (addresses.length === 0) return wrong("names no address");
  if (addresses.length > ENDPOINTS_MAX) {
    return wrong(`names ${addresses.length} addresses; at most ${ENDPOINTS_MAX} can be told`);
  }
  const endpoints: Endpoint[] = [];
  const problems: string[] = [];
  for (const [index, address] of addresses.entries()) {
    const parsed = parseEndpoint(address);
    if (parsed.kind === "wrong") {
      problems.push(`address ${index + 1} ${parsed.problem}`);
      continue;
    }
    const same = endpoints.find(({ name }) => name === parsed.value.name);
    if (same === undefined) endpoints.push(parsed.value);
    else problems.push(`address ${index + 1} is there twice`);
  }
  return problems.length === 0 ? ok(endpoints) : wrong(`must be web addresses: ${problems.join("; ")}`);
}

/** Never repeats the address: it may hold a password. */
function parseEndpoint(address: string): Parsed<Endpoint> {
  if (!/^https?:\/\//i.test(address)) return wrong("does not begin with https:// or http://");
  if (!URL.canParse(address)) return wrong("is no address (a comma inside one is written %2C)");
  const url = new URL(address);
  const authorization = authorizationOf(url);
  if (authorization.kind === "wrong") return authorization;
  url.username = "";
  url.password = "";
  url.hash = "";
  const hash = createHash("sha256").update(url.href).digest("hex").slice(0, NAME_HASH_LENGTH);
  return ok({ name: `webhook:${hash}`, host: url.host, url: url.href, authorization: authorization.value });
}

/** https://www.rfc-editor.org/rfc/rfc7617 */
function authorizationOf({ username, password }: URL): Parsed<string | undefined> {
  if (username === "" && password === "") return ok(undefined);
  try {
    const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
    // It would end the user's name too early.
    if (user.includes(":")) return wrong("has a user with a colon");
    return ok(`Basic ${Buffer.from(`${user}:${pass}`).toString("base64")}`);
  } catch {
    return wrong("has a user or password with a % that is not written %25");
  }
}
