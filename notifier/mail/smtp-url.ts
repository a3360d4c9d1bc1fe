// The mail server and the sender, as they are written in settings.

import type { Mailbox } from "./carrier.ts";
import type { SmtpServer } from "./smtp-carrier.ts";

const SUBMISSION_PORT = 587;
const SUBMISSIONS_PORT = 465;

/** `smtp://user:password@host:port` or `smtps://…`, user and password percent-encoded; `undefined` when it is none. */
export function parseSmtpUrl(text: string): SmtpServer | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(text);
  const isTlsFirst = protocol === "smtps:";
  if (!isTlsFirst && protocol !== "smtp:") return undefined;
  if (hostname === "" || !["", "/"].includes(pathname) || search !== "" || hash !== "") return undefined;
  const [user, pass] = [decoded(username), decoded(password)];
  if (user === undefined || pass === undefined || (user === "") !== (pass === "")) return undefined;
  return {
    host: decoded(hostname.replace(/^\[|\]$/g, "")) ?? hostname,
    port: port === "" ? (isTlsFirst ? SUBMISSIONS_PORT : SUBMISSION_PORT) : Number(port),
    isTlsFirst,
    login: user === "" ? undefined : { user, pass },
  };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // There is no other way to ask.
  }
}

/** As the API accepts contacts (gateway), and `localhost` too. */
const ADDRESS = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})*$/;
const ADDRESS_LENGTH_MAX = 254;
const NAMED = /^([^<>\p{Cc}]{0,100}?)\s*<([^<>]+)>$/u;

export const isAddress = (text: string): boolean => text.length <= ADDRESS_LENGTH_MAX && ADDRESS.test(text);

/** `tickets@roxy.example` or `Roxy Cinemas <tickets@roxy.example>`; `undefined` when it is neither. */
export function parseMailbox(text: string): Mailbox | undefined {
  const [, quotedName = "", address = text.trim()] = NAMED.exec(text.trim()) ?? [];
  const name = quotedName.trim().replace(/^"(.*)"$/, "$1");
  return isAddress(address) ? { name, address } : undefined;
}
