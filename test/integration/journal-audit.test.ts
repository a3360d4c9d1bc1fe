// Goal: the audit sees what it is there for. Method: a sound show with one of everything in it; each single damage to
// its tables must be found, and be found in that show alone.

import t from "tap";
import { auditCell } from "../../allocator/journal/audit.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import type { Command } from "../../shared/protocol/command.ts";
import {
  ASK_MS,
  bySeats,
  confirm,
  holdIdOf,
  InLine,
  joinLine,
  newOperation,
  newSession,
  placeHold,
  putOnSale,
  release,
  startNode,
  type TestNode,
  wordOf,
} from "../harness/allocator.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const DAMAGES: Readonly<Record<string, string>> = {
  "a booking is gone": "DELETE FROM booking WHERE status = 'booked' AND show_id = 'small-0001'",
  "a live hold is gone": "DELETE FROM booking WHERE status = 'held' AND show_id = 'small-0001'",
  "a booking too many":
    "INSERT INTO booking SELECT show_id, 'nobodys', session, status, version, seats, total, currency, created_at, expires_at, grace_ms, line_ms, booked_at, reason, extended, request_hash, payment, contact_email, used FROM booking WHERE status = 'released' AND show_id = 'small-0001' LIMIT 1",
  "a booking of another session":
    "UPDATE booking SET session = 'thief' WHERE status = 'booked' AND show_id = 'small-0001'",
  "a booking with another seat": "UPDATE booking SET seats = '{3}' WHERE status = 'booked' AND show_id = 'small-0001'",
  "a booking in another state":
    "UPDATE booking SET status = 'cancelled' WHERE status = 'booked' AND show_id = 'small-0001'",
  "a booking at another price": "UPDATE booking SET total = 1 WHERE status = 'booked' AND show_id = 'small-0001'",
  "a payment in another state": `UPDATE booking SET payment = payment || '{"state": "declined"}' WHERE status = 'booked' AND show_id = 'small-0001'`,
  "a used ticket that was not": "UPDATE booking SET used = NULL WHERE used IS NOT NULL AND show_id = 'small-0001'",
  "a ticket used at another gate": `UPDATE booking SET used = jsonb_set(used, '{0,gate}', '"south"') WHERE used IS NOT NULL AND show_id = 'small-0001'`,
  "a ticket used that nobody used": `UPDATE booking SET used = '[{"seat": 4, "at": 1, "gate": "north"}]' WHERE status = 'held' AND show_id = 'small-0001'`,
  "a deadline moved": "UPDATE booking SET expires_at = expires_at + 1 WHERE status = 'held' AND show_id = 'small-0001'",
  "a sold seat is gone": "DELETE FROM sold_seat WHERE show_id = 'small-0001' AND seat = 0",
  "a sold seat too many": "INSERT INTO sold_seat VALUES ('small-0001', 9, 'somebody')",
  "a sold seat of another": "UPDATE sold_seat SET booking_id = 'somebody' WHERE show_id = 'small-0001' AND seat = 0",
  "a seat map with another seat":
    "UPDATE show_lease SET seats = overlay(seats PLACING '2' FROM 50) WHERE show_id = 'small-0001'",
  "other counts": "UPDATE show_lease SET free = '{1}' WHERE show_id = 'small-0001'",
  "a lease ahead of its log": "UPDATE show_lease SET seq = seq + 1 WHERE show_id = 'small-0001'",
  "a lease of another time": "UPDATE show_lease SET last_at = last_at + 1 WHERE show_id = 'small-0001'",
  "a lease below its log's epoch": "UPDATE show_lease SET epoch = 0 WHERE show_id = 'small-0001'",
  "other terms": `UPDATE show_lease SET terms = terms || '{"holdTtlMs": 1}' WHERE show_id = 'small-0001'`,
  "a show with a hold that no takeover would load": "UPDATE show_lease SET active = false WHERE show_id = 'small-0001'",
  "a turn is gone": "DELETE FROM show_log WHERE show_id = 'small-0001' AND seq = 3",
  "the last turn is gone":
    "DELETE FROM show_log WHERE show_id = 'small-0001' AND seq = (SELECT max(seq) FROM show_log)",
  "an epoch that goes back": "UPDATE show_log SET epoch = 99 WHERE show_id = 'small-0001' AND seq = 3",
  "a turn that says otherwise":
    "UPDATE show_log SET events = replace(events, '\"seats\":[0,1]', '\"seats\":[0,2]') WHERE show_id = 'small-0001'",
  "a released hold's operation is gone": "DELETE FROM operation WHERE show_id = 'small-0001' AND result NOT LIKE '[%'",
  "a block's operation is gone": "DELETE FROM operation WHERE show_id = 'small-0001' AND result LIKE '[%'",
  "an operation about other seats":
    "UPDATE operation SET result = '[1]' WHERE show_id = 'small-0001' AND result LIKE '[%'",
  "a lease that is gone": "DELETE FROM show_lease WHERE show_id = 'small-0001'",
  "a lease that knows of an outage to come":
    "UPDATE show_lease SET outage_id = outage_id + 1000 WHERE show_id = 'small-0001'",
  ...Object.fromEntries(
    Object.entries({
      place: "place + 1",
      session: "'thief'",
      quantity: "quantity + 1",
      categories: "'{1}'",
      accessible: "NOT accessible",
      contiguous: "NOT contiguous",
      status: "'absent'",
      version: "version + 1",
      joined_at: "joined_at - 1",
      expires_at: "expires_at + 1",
      ended_at: "1",
      request_hash: "request_hash + 1",
      offer: `'{"seats": [8]}'`,
      hold_id: "'nobodys'",
    }).map(([column, value]) => [
      `a waiter with another ${column}`,
      `UPDATE waiter SET ${column} = ${value} WHERE status = 'waiting' AND show_id = 'small-0001'`,
    ]),
  ),
  "a waiter is gone": "DELETE FROM waiter WHERE status = 'waiting' AND show_id = 'small-0001'",
  "a finished waiter is gone": "DELETE FROM waiter WHERE status = 'cancelled' AND show_id = 'small-0001'",
  "a finished waiter waits again":
    "UPDATE waiter SET status = 'waiting', ended_at = NULL WHERE status = 'cancelled' AND show_id = 'small-0001'",
  "a waiter too many":
    "INSERT INTO waiter SELECT show_id, 'nobodys', place, session, quantity, categories, accessible, contiguous, status, version, joined_at, expires_at, ended_at, request_hash, offer, hold_id FROM waiter WHERE status = 'cancelled' AND show_id = 'small-0001'",
  "an offer of other seats": `UPDATE waiter SET offer = jsonb_set(offer, '{seats}', '[8]') WHERE status = 'offered' AND show_id = 'small-0001'`,
  "an offer that ends later": `UPDATE waiter SET offer = jsonb_set(offer, '{expiresAt}', to_jsonb((offer->>'expiresAt')::bigint + 1)) WHERE status = 'offered' AND show_id = 'small-0001'`,
  "an offer is gone": "UPDATE waiter SET offer = NULL WHERE status = 'offered' AND show_id = 'small-0001'",
  "an offer taken up as another hold":
    "UPDATE waiter SET hold_id = 'nobodys' WHERE status = 'accepted' AND show_id = 'small-0001'",
  "a place in line whose leaving has no operation":
    "DELETE FROM operation WHERE show_id = 'small-0001' AND result IN (SELECT 'small-0001.' || id FROM waiter)",
  "an operation too many": "INSERT INTO operation VALUES ('small-0001', 'nobodys', 1, 1, '[1]')",
};

/** One who waits, one who has an offer, one who took it up, one who left; the rest of the show is held. */
async function fillLine({ port }: TestNode, showId: ShowId): Promise<void> {
  const ask = async (command: Command, word: string): Promise<void> => {
    const found = wordOf(await port.ask(showId, command, ASK_MS));
    if (found !== word) throw new Error(`${command.kind}: ${found}`);
  };
  const [pair, other] = [placeHold(bySeats(20, 21)), placeHold(bySeats(22, 23))];
  await ask(pair, "held");
  await ask(other, "held");
  const reply = await port.ask(showId, { kind: "ReadSeatMap" }, ASK_MS);
  const free = reply.kind === "snapshot" ? [...reply.snapshot.status].flatMap((s, i) => (s === "0" ? [i] : [])) : [];
  const block: Command = { kind: "BlockSeats", operation: newOperation(), seats: free };
  await ask(block, "seats");
  const joins = Array.from({ length: 4 }, () => joinLine(2));
  for (const join of joins) await ask(join, "waiting");
  const [taker, offered, left] = joins.map((join) => new InLine(showId, join)) as [InLine, InLine, InLine];
  await ask(left.leave(), "cancelled");
  await ask(release(holdIdOf(showId, pair), pair.session), "released");
  await ask(taker.accept(), "held");
  await ask(release(holdIdOf(showId, other), other.session), "released");
  await ask(offered.poll(), "offered");
}

t.test("each damage is found, in its show alone", async (t) => {
  const pg = await startTestPostgres(t);
  const showIds = (await putOnSale(pg.pool, { shows: 2 })) as [ShowId, ShowId];
  const node = await startNode(t, pg);
  for (const showId of showIds) {
    const session = newSession();
    const booked = placeHold(bySeats(0, 1), session);
    const released = placeHold(bySeats(2), session);
    const commands: Command[] = [
      booked,
      confirm(holdIdOf(showId, booked), session),
      {
        ...{ kind: "UseTicket", operation: newOperation(), bookingId: holdIdOf(showId, booked) },
        ...{ seat: 1, gate: "north" },
      },
      released,
      { kind: "ReleaseHold", session, operation: newOperation(), bookingId: holdIdOf(showId, released) },
      placeHold(bySeats(4), session),
      { kind: "BlockSeats", operation: newOperation(), seats: [5, 6] },
    ];
    for (const command of commands) {
      const word = wordOf(await node.port.ask(showId, command, ASK_MS));
      if (!/booked|held|released|seats/.test(word)) t.fail(`${command.kind}: ${word}`);
    }
  }
  for (const showId of showIds) await fillLine(node, showId);
  await node.stop();
  const sound = await auditCell(pg.pool, pg.pool);
  t.same(sound.problems, []);
  t.match(sound, { shows: 2, turns: 38, bookings: 12, waiters: 8, soldSeats: 4 });

  const tables = ["show_lease", "show_log", "booking", "waiter", "sold_seat", "operation"];
  for (const table of tables) await pg.pool.query(`CREATE TABLE sound_${table} AS TABLE ${table}`);
  for (const [name, damage] of Object.entries(DAMAGES)) {
    const { rowCount } = await pg.pool.query(damage);
    t.ok((rowCount ?? 0) > 0, `${name}: done`);
    const { problems } = await auditCell(pg.pool, pg.pool);
    t.ok(problems.length > 0 && problems.every((problem) => problem.startsWith("show small-0001:")), name, {
      problems,
    });
    for (const table of tables) {
      await pg.pool.query(`TRUNCATE ${table}; INSERT INTO ${table} SELECT * FROM sound_${table}`);
    }
  }
  t.same((await auditCell(pg.pool, pg.pool)).problems, []);
});
