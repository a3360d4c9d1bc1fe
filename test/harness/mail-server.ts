// A real mail server for tests, that takes what it is told to take, and reads what it took.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SMTPServer, type SMTPServerDataStream, type SMTPServerOptions, type SMTPServerSession } from "smtp-server";
import type { TestScope } from "./postgres.ts";

/** `550 5.1.1 text` is answered so; `hang`: no answer ever; `drop`: the connection breaks; nothing: taken. */
export type Answer = string | undefined;

export interface Rules {
  /** To MAIL FROM. */
  sender?: (address: string) => Answer;
  /** To RCPT TO. */
  recipient?: (address: string) => Answer;
  /** When the first bytes of a message have come. */
  begun?: (address: string) => Answer;
  /** When a message has come whole. */
  whole?: (address: string) => Answer;
}

export interface MailPart {
  /** By their lower-case names, unfolded and decoded. */
  readonly headers: ReadonlyMap<string, string>;
  /** Decoded. */
  readonly content: Buffer;
}

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  readonly isSecret: boolean;
  readonly user: string | undefined;
  readonly raw: string;
}

export interface TestMailServer {
  readonly port: number;
  rules: Rules;
  /** Those that were taken: the sender may not have heard. */
  readonly mails: ReceivedMail[];
  /** Every RCPT TO, whatever became of it. */
  readonly asked: string[];
  readonly logins: string[];
  connections(): number;
  stop(): Promise<void>;
}

export async function startMailServer(t: TestScope, options: SMTPServerOptions = {}): Promise<TestMailServer> {
  const mails: ReceivedMail[] = [];
  const asked: string[] = [];
  const logins: string[] = [];
  const drop = (session: SMTPServerSession): void => {
    for (const connection of server.connections) if (connection.session.id === session.id) connection._socket.destroy();
  };
  const act = (answer: Answer, session: SMTPServerSession, callback: (error?: Error) => void): void => {
    if (answer === "hang") return;
    if (answer === "drop") return drop(session);
    callback(answer === undefined ? undefined : refusal(answer));
  };
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    closeTimeout: 100,
    disabledCommands: ["STARTTLS"],
    ...options,
    onAuth: ({ username = "", password = "" }, _session, callback) => {
      logins.push(`${username}:${password}`);
      if (password === "right") callback(null, { user: username });
      else callback(refusal("535 5.7.8 no"));
    },
    onMailFrom: ({ address }, session, callback) => act(running.rules.sender?.(address), session, callback),
    onRcptTo: ({ address }, session, callback) => {
      asked.push(address);
      act(running.rules.recipient?.(address), session, callback);
    },
    onData: (stream, session, callback) => {
      const to = session.envelope.rcptTo.map(({ address }) => address);
      const [first = ""] = to;
      const begun = running.rules.begun?.(first);
      if (begun === "drop") stream.once("data", () => drop(session));
      if (begun === "hang") return;
      void read(stream).then((raw) => {
        if (begun === "drop") return;
        const answer = running.rules.whole?.(first);
        const { mailFrom } = session.envelope;
        if (answer === undefined || answer === "drop" || answer === "hang") {
          const from = mailFrom === false ? "" : mailFrom.address;
          mails.push({ from, to, isSecret: session.secure, user: session.user, raw });
        }
        act(answer, session, callback);
      });
    },
  });
  server.on("error", () => undefined);
  const listening = server.listen(0, "127.0.0.1");
  await once(listening, "listening");
  let isStopped = false;
  const stop = async (): Promise<void> => {
    if (isStopped) return;
    isStopped = true;
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  t.teardown(stop);
  const running: TestMailServer = {
    port: (listening.address() as AddressInfo).port,
    rules: {},
    ...{ mails, asked, logins, stop },
    connections: () => server.connections.size,
  };
  return running;
}

function refusal(answer: string): Error {
  const [, code = "451", text = ""] = /^(\d{3}) (.*)$/s.exec(answer) ?? [];
  return Object.assign(new Error(text), { responseCode: Number(code) });
}

async function read(stream: SMTPServerDataStream): Promise<string> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  // A connection that breaks ends it with an error: then the message never was whole.
  await new Promise<void>((resolve) => stream.once("end", resolve).once("error", () => undefined));
  return Buffer.concat(chunks).toString("latin1");
}

/** The whole first, then the parts of each multipart, depth first. */
export function partsOf(raw: string): MailPart[] {
  const end = raw.indexOf("\r\n\r\n");
  const head = raw.slice(0, end).replace(/\r\n[ \t]+/g, " ");
  const headers = new Map(
    head.split("\r\n").map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), plain(line.slice(colon + 1).trim())] as const;
    }),
  );
  const body = raw.slice(end + 4);
  const boundary = /boundary="([^"]+)"/.exec(headers.get("content-type") ?? "")?.[1];
  const part = { headers, content: decoded(body, headers.get("content-transfer-encoding")) };
  if (boundary === undefined) return [part];
  const inner = body.split(`--${boundary}`).slice(1, -1);
  return [part, ...inner.flatMap((text) => partsOf(text.replace(/^\r\n/, "").replace(/\r\n$/, "")))];
}

/** Encoded words (RFC 2047) as what they say. */
const plain = (value: string): string =>
  value
    .replace(/(\?=) (=\?)/g, "$1$2")
    .replace(/=\?UTF-8\?([QB])\?(.*?)\?=/g, (_, kind: string, text: string) =>
      kind === "B"
        ? Buffer.from(text, "base64").toString("latin1")
        : text
            .replaceAll("_", " ")
            .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    );

function decoded(body: string, encoding: string | undefined): Buffer {
  if (encoding === "base64") return Buffer.from(body, "base64");
  if (encoding !== "quoted-printable") return Buffer.from(body, "latin1");
  const bytes = body
    .replace(/=\r\n/g, "")
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, "latin1");
}

export function partOf(raw: string, contentType: string): MailPart {
  const found = partsOf(raw).find(({ headers }) => headers.get("content-type")?.startsWith(contentType));
  if (found === undefined) throw new Error(`no ${contentType} in ${raw.slice(0, 2_000)}`);
  return found;
}
