// The messages between gateways and allocators: [version, type, …] in msgpack, and the limits they keep.
// M1: nothing that arrives makes a decoder throw: what cannot be read is an answer of its own, and says why.
// M2: one command or reply that cannot be read costs itself, not its neighbours: a newer gateway may ask an older node
//     for something it does not know.
// M3: a version is understood or refused whole; within one, see W2 in shape.ts.
// No clock is shared: a deadline travels as what is left of it. No epoch travels with a command: whoever owns the show
// knows its own.

import { Packr, Unpackr } from "msgpackr";
import type { ShowId } from "../kernel/ids.ts";
import type { Command } from "../protocol/command.ts";
import type { ShowUpdate } from "../protocol/reply.ts";
import { COMMAND } from "./command-shape.ts";
import { isPlain } from "./plain-bytes.ts";
import { NODE_REPLY, type NodeReply, UPDATE } from "./reply-shape.ts";
import { amount, COUNT, type Plain, Unreadable } from "./shape.ts";
import { PROCESS_ID, SHOW_ID } from "./terms-shape.ts";

export type { NodeReply };

const VERSION = 1;
const COMMANDS = 1;
const REPLIES = 2;
const UPDATES = 3;

/** A NATS server takes 1 MiB unless told otherwise. */
export const MESSAGE_BYTES_MAX = 1024 * 1024 - 4 * 1024;
const DEADLINE_MS = amount(3_600_000);

export interface CommandOfBatch {
  /** The asker's number for it: the reply carries it. */
  readonly id: number;
  readonly showId: ShowId;
  readonly command: Command;
  /** How long the asker still waits, from the sending on. */
  readonly deadlineMs: number;
}

export interface CommandBatch {
  /** The gateway. */
  readonly from: string;
  /** The version of the view it was routed by. */
  readonly view: number;
  readonly commands: readonly CommandOfBatch[];
}

/** `unreadable`: asked in words this process does not know (M2); they took no effect. */
export interface ReadCommandBatch extends CommandBatch {
  readonly unreadable: readonly { readonly id: number; readonly message: string }[];
}

export interface ReplyOfBatch {
  readonly id: number;
  readonly reply: NodeReply;
}

export interface ReplyBatch {
  readonly replies: readonly ReplyOfBatch[];
}

export interface UpdateBatch {
  readonly nodeId: string;
  readonly incarnation: number;
  /** Of this life's messages of updates, each one more than the last: a gap is a lost message. */
  readonly number: number;
  readonly updates: readonly ShowUpdate[];
}

/** `message` never repeats what was read. */
export type Decoded<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "too_large" | "malformed" | "unknown_version"; readonly message: string };

// Arrays only, no records: shared structures break between peers that lack them.
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

/** One message, whatever its size: `commandMessages` keeps the limit. */
export const encodeCommandBatch = ({ from, view, commands }: CommandBatch): Uint8Array =>
  pack(COMMANDS, [from, view, commands.map(writeCommand)]);

const writeCommand = ({ id, showId, deadlineMs, command }: CommandOfBatch): Plain => [
  id,
  showId,
  deadlineMs,
  COMMAND.write(command),
];

/** As few messages as hold them all. */
export const commandMessages = (batch: CommandBatch): Uint8Array[] =>
  inParts(batch.commands, (commands) => encodeCommandBatch({ ...batch, commands }));

export const decodeCommandBatch = (bytes: Uint8Array): Decoded<ReadCommandBatch> =>
  unpack(bytes, COMMANDS, (wire) => {
    const commands: CommandOfBatch[] = [];
    const unreadable: { id: number; message: string }[] = [];
    for (const each of arrayOf(wire[4])) {
      const entry = arrayOf(each);
      const id = COUNT.read(entry[0]);
      try {
        commands.push({
          id,
          showId: SHOW_ID.read(entry[1]),
          command: COMMAND.read(entry[3]),
          deadlineMs: DEADLINE_MS.read(entry[2]),
        });
      } catch (error) {
        unreadable.push({ id, message: reasonOf(error) });
      }
    }
    return { from: PROCESS_ID.read(wire[2]), view: COUNT.read(wire[3]), commands, unreadable };
  });

/** One message, whatever its size: `replyMessages` keeps the limit. */
export const encodeReplyBatch = ({ replies }: ReplyBatch): Uint8Array =>
  pack(REPLIES, [replies.map(({ id, reply }) => [id, NODE_REPLY.write(reply)])]);

/** As few messages as hold them all. A reply that no message holds (a page of a log can be) becomes a fault. */
export const replyMessages = ({ replies }: ReplyBatch): Uint8Array[] =>
  inParts(
    replies,
    (some) => encodeReplyBatch({ replies: some }),
    ({ id }) => ({ id, reply: unsaid("overloaded") }),
  );

/** The reply of an entry that cannot be read is that its outcome is unknown, which is so. */
export const decodeReplyBatch = (bytes: Uint8Array): Decoded<ReplyBatch> =>
  unpack(bytes, REPLIES, (wire) => ({
    replies: arrayOf(wire[2]).map((each) => {
      const entry = arrayOf(each);
      return { id: COUNT.read(entry[0]), reply: replyFrom(entry[1]) };
    }),
  }));

function replyFrom(wire: unknown): NodeReply {
  try {
    return NODE_REPLY.read(wire);
  } catch {
    return unsaid("outcome_pending");
  }
}

/**
 * One message: its number counts it. Where the updates do not fit, each says `isReload` instead of what changed, so that
 * whoever follows its show reads it anew.
 */
export function encodeUpdateBatch(batch: UpdateBatch): Uint8Array {
  const bytes = packUpdates(batch);
  return bytes.length <= MESSAGE_BYTES_MAX ? bytes : packUpdates({ ...batch, updates: batch.updates.map(asReload) });
}

const packUpdates = ({ nodeId, incarnation, number, updates }: UpdateBatch): Uint8Array =>
  pack(UPDATES, [nodeId, incarnation, number, updates.map(UPDATE.write)]);

const asReload = (update: ShowUpdate): ShowUpdate => ({
  ...update,
  previous: update.version,
  changes: [],
  touched: [],
  isReload: true,
});

/** Whole or not at all: one that cannot be read is as good as lost, and its number says so. */
export const decodeUpdateBatch = (bytes: Uint8Array): Decoded<UpdateBatch> =>
  unpack(bytes, UPDATES, (wire) => ({
    nodeId: PROCESS_ID.read(wire[2]),
    incarnation: COUNT.read(wire[3]),
    number: COUNT.read(wire[4]),
    updates: arrayOf(wire[5]).map(UPDATE.read),
  }));

/** A view of the packer's buffer, which is never written to again. */
const pack = (type: number, body: readonly Plain[]): Uint8Array => packr.pack([VERSION, type, ...body]);

function unpack<T>(bytes: Uint8Array, type: number, read: (wire: readonly unknown[]) => T): Decoded<T> {
  if (bytes.length > MESSAGE_BYTES_MAX) return { kind: "too_large", message: `${bytes.length} bytes` };
  if (!isPlain(bytes)) return { kind: "malformed", message: "not one whole value of plain data" };
  try {
    const wire = arrayOf(unpackr.unpack(bytes));
    if (wire[0] !== VERSION) return { kind: "unknown_version", message: `not version ${VERSION}` };
    if (wire[1] !== type) return { kind: "malformed", message: `not a message of type ${type}` };
    return { kind: "ok", value: read(wire) };
  } catch (error) {
    return { kind: "malformed", message: reasonOf(error) };
  }
}

/** Whatever a stranger's bytes do to a reader is theirs (M1); only our own words say more. */
const reasonOf = (error: unknown): string => (error instanceof Unreadable ? error.message : "cannot be read");

function arrayOf(wire: unknown): readonly unknown[] {
  if (!Array.isArray(wire)) throw new Unreadable("not an array");
  return wire;
}

/** Halves until it fits. `instead`: for what does not fit alone; commands always do, by their bounds. */
function inParts<T>(
  all: readonly T[],
  encode: (some: readonly T[]) => Uint8Array,
  instead?: (one: T) => T,
): Uint8Array[] {
  const bytes = encode(all);
  if (bytes.length <= MESSAGE_BYTES_MAX) return [bytes];
  if (all.length > 1) {
    const middle = all.length >>> 1;
    return [...inParts(all.slice(0, middle), encode, instead), ...inParts(all.slice(middle), encode, instead)];
  }
  return instead === undefined ? [bytes] : [encode(all.map(instead))];
}

/** It was answered, but the answer is lost. */
const unsaid = (code: "overloaded" | "outcome_pending"): NodeReply => ({
  kind: "fault",
  fault: { code, outcome: "unknown", retryAfterMs: 1_000 },
});
