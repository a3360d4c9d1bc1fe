// Goal: what one process says is what the other hears, and nothing that arrives harms it. Method: drawn messages of every
// kind there and back; every kind cut short and mutated; bytes made by hand to hurt a msgpack reader; messages of a newer
// and an older version of the same format.

import { deepStrictEqual } from "node:assert/strict";
import fc from "fast-check";
import { Packr } from "msgpackr";
import t from "tap";
import { holds } from "../../test/core/property.ts";
import * as drawn from "../../test/harness/drawn-messages.ts";
import type { BookingId, OperationId, SessionId, ShowId } from "../kernel/ids.ts";
import type { Command } from "../protocol/command.ts";
import type { ShowUpdate } from "../protocol/reply.ts";
import {
  type CommandOfBatch,
  commandMessages,
  type Decoded,
  decodeCommandBatch,
  decodeReplyBatch,
  decodeUpdateBatch,
  encodeCommandBatch,
  encodeReplyBatch,
  encodeUpdateBatch,
  MESSAGE_BYTES_MAX,
  type NodeReply,
  replyMessages,
  type UpdateBatch,
} from "./messages.ts";

const SHOW = "show-1" as ShowId;
const OPERATION = { id: "Be6kJ8JRD6xDKIgtzPcjld" as OperationId, requestHash: 999_977_436_199_446 };
const BOOKING = `${SHOW}.${OPERATION.id}` as BookingId;
const SESSION = "ann" as SessionId;
const HOLD: Command = {
  kind: "PlaceHold",
  session: SESSION,
  operation: OPERATION,
  choice: { by: "quantity", quantity: 2, category: undefined, accessible: false, contiguous: true },
};

const DECODERS = [decodeCommandBatch, decodeReplyBatch, decodeUpdateBatch];

function heard<T>(decoded: Decoded<T>): T {
  if (decoded.kind !== "ok") throw new Error(`${decoded.kind}: ${decoded.message}`);
  return decoded.value;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const commandsOf = (...commands: Command[]): CommandOfBatch[] =>
  commands.map((command, id) => ({ id, showId: SHOW, command, deadlineMs: 5_000 }));
const batchOf = (...commands: Command[]): Uint8Array =>
  encodeCommandBatch({ from: "gateway-1", view: 3, commands: commandsOf(...commands) });

function commandsComeBack(commands: readonly CommandOfBatch[]): void {
  const batch = { from: "gateway-1", view: 3, commands };
  deepStrictEqual(heard(decodeCommandBatch(encodeCommandBatch(batch))), { ...batch, unreadable: [] });
}

function repliesComeBack(all: readonly NodeReply[]): void {
  const replies = all.map((reply, id) => ({ id, reply }));
  deepStrictEqual(heard(decodeReplyBatch(encodeReplyBatch({ replies }))), { replies });
}

function updatesComeBack(updates: readonly ShowUpdate[]): void {
  const batch: UpdateBatch = { nodeId: "node-1", incarnation: 2, number: 99, updates };
  deepStrictEqual(heard(decodeUpdateBatch(encodeUpdateBatch(batch))), batch);
}

t.test("every kind of command, reply, refusal and update comes back as it was", async (t) => {
  const numRuns = 60;
  for (const [kind, command] of Object.entries<fc.Arbitrary<Command>>(drawn.drawnCommands)) {
    const one = fc.property(command, (each) => commandsComeBack(commandsOf(each)));
    holds(t, kind, one, { numRuns });
  }
  for (const [kind, reply] of Object.entries<fc.Arbitrary<NodeReply>>(drawn.drawnReplies)) {
    holds(
      t,
      kind,
      fc.property(reply, (each) => repliesComeBack([each])),
      { numRuns },
    );
  }
  for (const [code, refusal] of Object.entries(drawn.drawnRefusals)) {
    const one = fc.property(refusal, (each) => repliesComeBack([{ kind: "refused", refusal: each }]));
    holds(t, code, one, { numRuns });
  }
  holds(
    t,
    "an update",
    fc.property(drawn.drawnUpdate, (each) => updatesComeBack([each])),
    { numRuns: 200 },
  );
});

t.test(
  "batches come back as they were: many kinds in one message, none, and each asker's number and time",
  async (t) => {
    const entry = fc.record(
      {
        id: fc.maxSafeNat(),
        showId: drawn.drawnShowId,
        command: drawn.drawnCommand,
        deadlineMs: fc.oneof(fc.nat(60_000), fc.double({ min: 0, max: 60_000, noNaN: true }).map(Math.abs)),
      },
      { noNullPrototype: true },
    );
    holds(t, "commands", fc.property(fc.array(entry, { maxLength: 40 }), commandsComeBack), { numRuns: 200 });
    holds(t, "replies", fc.property(fc.array(drawn.drawnReply, { maxLength: 40 }), repliesComeBack), { numRuns: 200 });
    holds(t, "updates", fc.property(fc.array(drawn.drawnUpdate, { maxLength: 20 }), updatesComeBack), { numRuns: 100 });
  },
);

t.test("a message is nobody else's memory: it stays as it is, and is read from the middle of a buffer", async (t) => {
  const bytes = batchOf(HOLD);
  const before = hex(bytes);
  for (let i = 0; i < 1_000; i += 1) batchOf({ ...HOLD, session: `session-${i}` as SessionId });
  t.equal(hex(bytes), before);
  const around = Buffer.concat([Buffer.alloc(5, 0xff), bytes, Buffer.alloc(9, 0xff)]);
  t.same(heard(decodeCommandBatch(around.subarray(5, 5 + bytes.length))).commands, commandsOf(HOLD));
});

t.test("golden bytes: what other processes of this version write", async (t) => {
  t.equal(
    hex(batchOf(HOLD)),
    "950101a9676174657761792d3103919400a673686f772d31cd13889401a3616e6e92b64265366b4a384a52443678444b4967747a50636a6c64cb430c6bcb1ef1d0b0940202c2c3",
  );
  const booking = encodeReplyBatch({
    replies: [
      {
        id: 7,
        reply: {
          kind: "booking",
          replayed: true,
          booking: {
            ...{ id: BOOKING, showId: SHOW, session: SESSION, status: "held", version: 300, seats: [4, 5] },
            ...{ total: 2_400, currency: "EUR", createdAt: 1_770_000_000_000, expiresAt: 1_770_000_300_000 },
            ...{ bookedAt: undefined, reason: undefined, used: undefined },
          },
        },
      },
    ],
  });
  t.equal(
    hex(booking),
    "93010291920793019abd73686f772d312e4265366b4a384a52443678444b4967747a50636a6c64a673686f772d31a3616e6e01cd012c920405cd0960a3455552cb4279c1c38a400000cb4279c1c3d37e0000c3",
  );
});

const plain = new Packr({ useRecords: false });
const wireOf = (bytes: Uint8Array): unknown[] => plain.unpack(bytes) as unknown[];
/** The one command's record in a batch of one. */
const commandIn = (wire: unknown[]): unknown[] => ((wire[4] as unknown[][])[0] as unknown[][])[3] as unknown[];

t.test("a newer peer: what it added at the end is not noticed", async (t) => {
  const wire = wireOf(batchOf(HOLD));
  commandIn(wire).push("news", [1, [2]]);
  (commandIn(wire)[2] as unknown[]).push(null, 5);
  ((wire[4] as unknown[][])[0] as unknown[]).push("trace");
  wire.push("more");
  t.same(heard(decodeCommandBatch(plain.pack(wire))).commands, commandsOf(HOLD));
});

t.test("an older peer: what it does not know to send is undefined", async (t) => {
  const confirm: Command = {
    ...{ kind: "ConfirmBooking", session: SESSION, operation: OPERATION, bookingId: BOOKING },
    ...{ paymentToken: "pm_card_visa", contactEmail: "a@b.example" },
  };
  const wire = wireOf(batchOf(confirm));
  t.equal(commandIn(wire).pop(), "a@b.example");
  t.same(heard(decodeCommandBatch(plain.pack(wire))).commands, commandsOf({ ...confirm, contactEmail: undefined }));
  commandIn(wire).pop();
  t.match(heard(decodeCommandBatch(plain.pack(wire))), {
    commands: [],
    unreadable: [{ id: 0, message: /^paymentToken: not text/ }],
  });
});

t.test("a command of a kind that is not known costs itself alone", async (t) => {
  const wire = wireOf(batchOf(HOLD, HOLD, HOLD));
  ((wire[4] as unknown[][])[1] as unknown[])[3] = [200, "unheard of"];
  const { commands, unreadable } = heard(decodeCommandBatch(plain.pack(wire)));
  t.same(
    commands.map(({ id }) => id),
    [0, 2],
  );
  t.same(unreadable, [{ id: 1, message: "not a known kind" }]);
});

t.test("a reply that cannot be read is an unknown outcome, of its asker alone", async (t) => {
  const done: NodeReply = { kind: "done" };
  const wire = wireOf(
    encodeReplyBatch({
      replies: [
        { id: 4, reply: done },
        { id: 5, reply: done },
      ],
    }),
  );
  ((wire[2] as unknown[][])[0] as unknown[])[1] = [7, [99]];
  t.match(heard(decodeReplyBatch(plain.pack(wire))).replies, [
    { id: 4, reply: { kind: "fault", fault: { code: "outcome_pending", outcome: "unknown" } } },
    { id: 5, reply: done },
  ]);
});

t.test("another version, another type, another author", async (t) => {
  const wire = wireOf(batchOf(HOLD));
  t.equal(decodeCommandBatch(plain.pack([2, ...wire.slice(1)])).kind, "unknown_version");
  t.equal(decodeReplyBatch(batchOf(HOLD)).kind, "malformed", "commands are no replies");
  t.equal(decodeCommandBatch(plain.pack([])).kind, "unknown_version");
  for (const strange of [null, 1, "text", [1], [1, 1], [1, 1, "gateway-1", 3, "text"], [1, 1, "a.b", 3, []]]) {
    t.equal(decodeCommandBatch(plain.pack(strange)).kind, "malformed", JSON.stringify(strange));
  }
  for (const json of ["", "{}", '{"version":1}'])
    t.equal(decodeCommandBatch(Buffer.from(json)).kind, "malformed", json);
});

t.test("what is out of bounds is refused by field, and never repeated", async (t) => {
  const confirm = (paymentToken: string): Command => ({
    ...{ kind: "ConfirmBooking", session: SESSION, operation: OPERATION, bookingId: BOOKING },
    ...{ paymentToken, contactEmail: undefined },
  });
  const seats = (...named: number[]): Command => ({ ...HOLD, choice: { by: "seats", seats: named } });
  const quantity = (wanted: number): Command => ({
    ...HOLD,
    choice: { ...HOLD.choice, by: "quantity", quantity: wanted } as never,
  });
  const cases: readonly (readonly [Command, RegExp])[] = [
    [seats(), /^choice: seats: not 1–10 values$/],
    [seats(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11), /^choice: seats: not 1–10 values$/],
    [seats(5, 5), /^choice: seats: not different numbers$/],
    [seats(-1), /^choice: seats: not 0–32767$/],
    [seats(1.5), /^choice: seats: not 0–32767$/],
    [seats(32_768), /^choice: seats: not 0–32767$/],
    [quantity(0), /^choice: quantity: not 1–10$/],
    [quantity(11), /^choice: quantity: not 1–10$/],
    [quantity(Number.NaN), /^choice: quantity: not 1–10$/],
    [{ ...HOLD, session: "" as SessionId }, /^session: not session id$/],
    [{ ...HOLD, session: "a b" as SessionId }, /^session: not session id$/],
    [{ ...HOLD, operation: { ...OPERATION, id: "short" as OperationId } }, /^operation: id: not operation id$/],
    [{ ...HOLD, operation: { ...OPERATION, requestHash: 2 ** 53 } }, /^operation: requestHash: not count$/],
    [{ ...HOLD, operation: { ...OPERATION, requestHash: Number.POSITIVE_INFINITY } }, /requestHash: not/],
    [confirm("pm_secret\0"), /^paymentToken: not text of ≤ 1024$/],
    [confirm("pm_secret".repeat(200)), /^paymentToken: not text of ≤ 1024$/],
    [{ kind: "ReadBooking", session: SESSION, bookingId: SHOW as string as BookingId }, /^bookingId: not booking id$/],
    [{ kind: "ReadLog", after: -1, limit: 10 }, /^after: not/],
  ];
  for (const [command, message] of cases) {
    const { commands, unreadable } = heard(decodeCommandBatch(batchOf(command, HOLD)));
    t.match(unreadable, [{ id: 0, message }]);
    t.notMatch(unreadable[0]?.message, /pm_secret/);
    t.equal(commands.length, 1);
  }
  for (const deadlineMs of [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e9]) {
    const bytes = encodeCommandBatch({
      from: "g",
      view: 0,
      commands: [{ id: 1, showId: SHOW, command: HOLD, deadlineMs }],
    });
    t.equal(heard(decodeCommandBatch(bytes)).unreadable.length, 1, String(deadlineMs));
  }
});

t.test("cut short anywhere, it is malformed", async (t) => {
  const messages = fc.oneof(
    fc.array(drawn.drawnCommand, { maxLength: 5 }).map((all) => batchOf(...all)),
    fc
      .array(drawn.drawnReply, { maxLength: 5 })
      .map((all) => encodeReplyBatch({ replies: all.map((reply, id) => ({ id, reply })) })),
  );
  const isRefused = (bytes: Uint8Array): boolean => DECODERS.every((decode) => decode(bytes).kind === "malformed");
  const cut = fc.property(messages, (bytes) => {
    for (let length = 0; length < bytes.length; length += 1) if (!isRefused(bytes.slice(0, length))) return false;
    return isRefused(Buffer.concat([bytes, Uint8Array.of(0)]));
  });
  holds(t, "no part of a message is one, nor is more than a message", cut, { numRuns: 60 });
});

t.test("whatever arrives is answered: read as something within bounds, or refused", async (t) => {
  const mutation = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
  const mutated = (bytes: Uint8Array, changes: readonly (readonly [number, number])[]): Uint8Array => {
    const other = Uint8Array.from(bytes);
    for (const [at, byte] of changes) other[at % other.length] = byte;
    return other;
  };
  const commands = fc.property(
    fc.array(drawn.drawnCommand, { minLength: 1, maxLength: 4 }),
    mutation,
    (all, changes) => {
      const decoded = decodeCommandBatch(mutated(batchOf(...all), changes));
      if (decoded.kind === "ok") commandsComeBack(decoded.value.commands);
    },
  );
  holds(t, "commands", commands, { numRuns: 1_000 });
  const replies = fc.property(fc.array(drawn.drawnReply, { minLength: 1, maxLength: 4 }), mutation, (all, changes) => {
    const bytes = encodeReplyBatch({ replies: all.map((reply, id) => ({ id, reply })) });
    const decoded = decodeReplyBatch(mutated(bytes, changes));
    // By bytes: a log's events are JSON, in which 1e999 is read as a number that JSON cannot write.
    if (decoded.kind !== "ok") return;
    const again = encodeReplyBatch(decoded.value);
    deepStrictEqual(hex(encodeReplyBatch(heard(decodeReplyBatch(again)))), hex(again));
  });
  holds(t, "replies", replies, { numRuns: 1_000 });
  const updates = fc.property(drawn.drawnUpdate, mutation, (update, changes) => {
    const bytes = encodeUpdateBatch({ nodeId: "n", incarnation: 1, number: 1, updates: [update] });
    const decoded = decodeUpdateBatch(mutated(bytes, changes));
    if (decoded.kind === "ok") updatesComeBack(decoded.value.updates);
  });
  holds(t, "updates", updates, { numRuns: 1_000 });
  const garbage = fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
    for (const decode of DECODERS) decode(bytes);
  });
  holds(t, "noise", garbage, { numRuns: 1_000 });
});

t.test("bytes made to hurt a msgpack reader never reach it", async (t) => {
  const bigInteger = Buffer.concat([
    Buffer.from([0xc9, 0, 0x0f, 0, 0, 0x42]),
    Buffer.alloc(0x0f0000, 0x7f),
    Buffer.of(1),
  ]);
  const hostile: Readonly<Record<string, Buffer>> = {
    "a megabyte of nesting": Buffer.alloc(MESSAGE_BYTES_MAX - 3, 0x91),
    "arrays that claim 65,535 elements each, in one another": Buffer.alloc(30_000, Buffer.of(0xdc, 0xff, 0xff)),
    "an array of four billion": Buffer.of(0xdd, 0xff, 0xff, 0xff, 0xff),
    "a text of four billion": Buffer.of(0x91, 0xdb, 0xff, 0xff, 0xff, 0xff, 0x41),
    "a map": plain.pack({ version: 1 }),
    "a record": new Packr({ useRecords: true }).pack({ version: 1 }),
    "a set": new Packr({ moreTypes: true }).pack(new Set([1])),
    "a regular expression": new Packr({ moreTypes: true }).pack(/(a+)+$/),
    "an error": new Packr({ moreTypes: true }).pack(new Error("x")),
    "a date": plain.pack(new Date(0)),
    bytes: plain.pack(Buffer.from("x")),
    "a reference": Buffer.of(0xd6, 0x70, 0, 0, 0, 1),
    "bundled text": new Packr({ bundleStrings: true }).pack(["text ".repeat(9), "text ".repeat(9)]),
    "an integer of 8 million bits, and a byte more": bigInteger,
    "a 64-bit integer": plain.pack(2n ** 60n),
    undefined: Buffer.of(0xd4, 0, 0),
    "the byte that is never used": Buffer.of(0xc1),
  };
  for (const [name, bytes] of Object.entries(hostile)) {
    for (const decode of DECODERS) {
      t.match(decode(bytes), { kind: "malformed", message: "not one whole value of plain data" }, name);
      t.equal(decode(Buffer.concat([Buffer.of(0x93, 1, 1), bytes])).kind, "malformed", `${name}, inside a message`);
    }
  }
});

t.test("a message has a size: more commands are more messages, a decoder takes no larger one", async (t) => {
  t.equal(decodeCommandBatch(new Uint8Array(MESSAGE_BYTES_MAX + 1)).kind, "too_large");
  const block: Command = {
    kind: "BlockSeats",
    operation: OPERATION,
    seats: Array.from({ length: 2_000 }, (_, i) => i + 1_000),
  };
  const commands = commandsOf(...Array.from({ length: 500 }, () => block));
  const messages = commandMessages({ from: "gateway-1", view: 1, commands });
  t.ok(
    messages.length > 1 && messages.every(({ length }) => length <= MESSAGE_BYTES_MAX),
    `${messages.length} messages`,
  );
  const arrived = messages.flatMap((bytes) => heard(decodeCommandBatch(bytes)).commands);
  t.same(
    arrived.map(({ id }) => id),
    commands.map(({ id }) => id),
  );
  t.equal(commandMessages({ from: "gateway-1", view: 1, commands: commandsOf(HOLD, HOLD) }).length, 1);
});

t.test("a reply that no message holds becomes a fault; its neighbours arrive", async (t) => {
  const events = [{ kind: "X", text: "x".repeat(1_000) }];
  const entries = Array.from({ length: 1_100 }, (_, seq) => ({ seq, epoch: 1, at: 1, events }));
  const done: NodeReply = { kind: "done" };
  const replies = [done, { kind: "log", entries } as NodeReply, done].map((reply, id) => ({ id, reply }));
  const messages = replyMessages({ replies });
  t.ok(messages.every(({ length }) => length <= MESSAGE_BYTES_MAX));
  t.match(
    messages.flatMap((bytes) => heard(decodeReplyBatch(bytes)).replies),
    [
      { id: 0, reply: done },
      { id: 1, reply: { kind: "fault", fault: { code: "overloaded" } } },
      { id: 2, reply: done },
    ],
  );
});

t.test("updates that no message holds say that their shows have to be read anew", async (t) => {
  const touched = Array.from({ length: 40_000 }, (_, i) => `${SHOW}.${String(i).padStart(22, "0")}`);
  const update: ShowUpdate = { showId: SHOW, epoch: 2, previous: 7, version: 9, changes: [[1, 2]], queued: 3, touched };
  const bytes = encodeUpdateBatch({ nodeId: "n", incarnation: 1, number: 5, updates: [update] });
  t.ok(bytes.length <= MESSAGE_BYTES_MAX);
  t.same(heard(decodeUpdateBatch(bytes)), {
    ...{ nodeId: "n", incarnation: 1, number: 5 },
    updates: [{ ...update, previous: 9, changes: [], touched: [], isReload: true }],
  });
});
