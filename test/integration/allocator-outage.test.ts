// Goal: what nobody could do for lack of the store does not expire, and nobody waits long to hear that it is away.
// Method: a real server, all of its processes frozen for longer than any statement may take, or stopped and started
// on its port; holds whose deadlines fall into the outage.

import t, { type Test } from "tap";
import { auditCell } from "../../allocator/journal/audit.ts";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { startEmbeddedPostgres } from "../../shared/platform/embedded-postgres.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { sleepMs, systemTimers } from "../../shared/platform/timers.ts";
import type { PlaceHold } from "../../shared/protocol/command.ts";
import {
  ASK_MS,
  askUntilAnswered,
  bookingIn,
  bySeats,
  confirm,
  holdIdOf,
  newSession,
  placeHold,
  putOnSale,
  startNode,
  type TestNode,
  until,
  wordOf,
} from "../harness/allocator.ts";
import { startTestPostgres, type TestPostgres } from "../harness/postgres.ts";
import { freezePostgres } from "../harness/postgres-processes.ts";

const HOLD_TTL_S = 3;
const OUTAGE_MS = 4_500;

interface Played {
  readonly pg: TestPostgres;
  readonly node: TestNode;
  readonly showId: ShowId;
  readonly away: () => Promise<void>;
  readonly back: () => Promise<void>;
}

/** A hold that would expire in the middle of the outage lives on, is confirmed, and another expires afterwards. */
async function playOutage(t: Test, { pg, node, showId, away, back }: Played): Promise<void> {
  const session = newSession();
  const kept = bookingIn(await node.port.ask(showId, placeHold(bySeats(1, 2), session), ASK_MS));
  const left = bookingIn(await node.port.ask(showId, placeHold(bySeats(5, 6), session), ASK_MS));
  const { rows } = await pg.pool.query<{ last: number }>("SELECT COALESCE(max(outage_id), 0) AS last FROM outage");
  const lastOutage = Number(rows[0]?.last);

  const holds = Array.from({ length: 20 }, (_, i) => placeHold(bySeats(20 + i)));
  const awayAt = performance.now();
  const goingAway = away();
  const ask = (hold: PlaceHold) => node.port.ask(showId, hold, ASK_MS);
  const early = holds.slice(0, 10).map(ask);
  await goingAway;
  // For two seconds nobody knows that it is away.
  const underWay = Promise.all([...early, ...holds.slice(10).map(ask)]);
  await until("the store is known to be away", () => node.port.unready().length > 0);
  const knownMs = performance.now() - awayAt;
  const askedAt = performance.now();
  const commands = [
    placeHold(bySeats(9)),
    confirm(kept.id, session),
    { kind: "ReadBooking", session, bookingId: kept.id } as const,
    { kind: "ReadSeatMap" } as const,
  ];
  const refused = await Promise.all(commands.map((command) => node.port.ask(showId, command, ASK_MS)));
  const refusedMs = performance.now() - askedAt;
  t.same(new Set(refused.map(wordOf)), new Set(["store_unavailable"]), "every command hears that the store is away");
  t.ok(refusedMs < 500, `they hear it at once: ${refusedMs.toFixed(0)} ms`);
  t.ok(knownMs < 2_500, `known after ${knownMs.toFixed(0)} ms`);

  await sleepMs(Math.max(0, OUTAGE_MS - (performance.now() - awayAt)), systemTimers);
  const outageMs = performance.now() - awayAt;
  const backAt = performance.now();
  await back();
  const booked = bookingIn(await askUntilAnswered(() => node.port, showId, confirm(kept.id, session)));
  const serviceMs = performance.now() - backAt;
  t.equal(booked.status, "booked", "a hold whose deadline fell into the outage can still be confirmed");
  t.ok(serviceMs < 2_000, `service again after ${serviceMs.toFixed(0)} ms`);

  const moved = bookingIn(await node.port.ask(showId, { kind: "ReadBooking", session, bookingId: left.id }, ASK_MS));
  const movedMs = moved.expiresAt - left.expiresAt;
  t.ok(Math.abs(movedMs - outageMs) < 2_000, `deadlines moved by ${movedMs} ms, away for ${outageMs.toFixed(0)} ms`);
  t.equal(moved.status, "held");
  await until("the other hold expires", async () => {
    const reply = await node.port.ask(showId, { kind: "ReadBooking", session, bookingId: left.id }, ASK_MS);
    return wordOf(reply) === "expired";
  });
  const lateMs = node.clock.now() - moved.expiresAt;
  t.ok(lateMs >= 0 && lateMs < 2_000, `it expires at its moved deadline, ${lateMs} ms after it`);

  const stored = await pg.pool.query<{ id: string }>("SELECT show_id || '.' || id AS id FROM booking");
  const ids = new Set(stored.rows.map((row) => row.id));
  for (const [i, reply] of (await underWay).entries()) {
    const isStored = ids.has(holdIdOf(showId, holds[i] as PlaceHold));
    if (reply.kind === "booking") t.ok(isStored, "what was acknowledged is there");
    else if (reply.kind !== "fault" || reply.fault.outcome === "none")
      t.notOk(isStored, `${JSON.stringify(reply)} did nothing`);
  }
  const outages = await pg.pool.query<{ length_ms: number }>("SELECT length_ms FROM outage WHERE outage_id > $1", [
    lastOutage,
  ]);
  t.equal(outages.rows.length, 1, "one outage is recorded");
  t.same((await auditCell(pg.pool, pg.pool)).problems, []);
  t.same(node.errors(/the store does not answer/), []);
  t.comment({ knownMs, refusedMs, serviceMs, movedMs, outageMs });
}

t.test("a server that hangs", async (t) => {
  const pg = await startTestPostgres(t);
  const [showId] = (await putOnSale(pg.pool, { policies: { hold_ttl_s: HOLD_TTL_S, grace_s: 0 } })) as [ShowId];
  const node = await startNode(t, pg);
  let thaw: () => void = () => undefined;
  t.teardown(() => thaw());
  const away = async () => {
    thaw = await freezePostgres(pg.server.pid);
  };
  await playOutage(t, { pg, node, showId, away, back: async () => thaw() });
});

t.test("a server that is stopped and started again", async (t) => {
  const pg = await startTestPostgres(t);
  const [showId] = (await putOnSale(pg.pool, { policies: { hold_ttl_s: HOLD_TTL_S, grace_s: 0 } })) as [ShowId];
  const node = await startNode(t, pg);
  const back = async () => {
    const again = await startEmbeddedPostgres({
      dataDir: pg.dataDir,
      port: pg.server.port,
      fsync: false,
      log: silentLog(),
    });
    t.teardown(() => again.stop());
  };
  await playOutage(t, { pg, node, showId, away: () => pg.server.stop(), back });
});

t.test("an allocator can be stopped while the store hangs", async (t) => {
  const pg = await startTestPostgres(t);
  const [showId] = (await putOnSale(pg.pool)) as [ShowId];
  const node = await startNode(t, pg);
  await node.port.ask(showId, placeHold(bySeats(0)), ASK_MS);
  const thaw = await freezePostgres(pg.server.pid);
  t.teardown(thaw);
  const asked = node.port.ask(showId, placeHold(bySeats(1)), ASK_MS);
  const stoppedAt = performance.now();
  await node.stop();
  const stopMs = performance.now() - stoppedAt;
  t.match(await asked, { kind: "fault", fault: { outcome: "unknown" } });
  t.ok(stopMs < 10_000, `after ${stopMs.toFixed(0)} ms`);
  thaw();
  t.same((await auditCell(pg.pool, pg.pool)).problems, []);
});

t.test("a hold that falls due when nobody knows yet that the store is away", async (t) => {
  const pg = await startTestPostgres(t);
  const [showId] = (await putOnSale(pg.pool, { policies: { hold_ttl_s: HOLD_TTL_S, grace_s: 0 } })) as [ShowId];
  const node = await startNode(t, pg);
  const session = newSession();
  const hold = bookingIn(await node.port.ask(showId, placeHold(bySeats(1), session), ASK_MS));
  await until("the hold is about to fall due", () => node.clock.now() >= hold.expiresAt - 600);
  const thaw = await freezePostgres(pg.server.pid);
  t.teardown(thaw);
  const frozenAt = performance.now();
  await until("the store is known to be away", () => node.port.unready().length > 0);
  await sleepMs(Math.max(0, OUTAGE_MS - (performance.now() - frozenAt)), systemTimers);
  thaw();
  const booked = bookingIn(await askUntilAnswered(() => node.port, showId, confirm(hold.id, session)));
  t.equal(booked.status, "booked", "its turn to expire was taken, lay in a frozen socket, and must not be committed");
  t.ok(booked.expiresAt - hold.expiresAt > 2_000, "its deadline was moved");
  t.same((await auditCell(pg.pool, pg.pool)).problems, []);
});
