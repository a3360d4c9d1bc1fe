// Goal: whichever gateway is asked, the answer is the same; what happens anywhere is heard everywhere, whoever owns the
// show, whatever the bus loses; and a gateway without its bus says so. Method: real Postgres and NATS, whole gateways
// asked in process, nodes that are crashed. A parked poll waits 30 s: one that nobody wakes fails LATE_MS.

import t, { type Test } from "tap";
import type { ShowId } from "../../shared/kernel/ids.ts";
import { putOnSale, until } from "../harness/allocator.ts";
import { type ClusterHouse, startNodeOf, type TestClusterNode } from "../harness/cluster.ts";
import { type ClusterGateway, type GatewayAnswer, startGatewayOf } from "../harness/cluster-gateway.ts";
import type { TestServer } from "../harness/native-server.ts";
import { startTestNats } from "../harness/nats.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const pg = await startTestPostgres(t);
/** Far more than the second it takes, far less than a poll's wait. */
const LATE_MS = 15_000;

interface House extends ClusterHouse {
  readonly nats: TestServer;
  readonly showIds: readonly ShowId[];
  readonly nodes: readonly TestClusterNode[];
}

async function house(t: Test, options: { readonly shows?: number; readonly nodes?: number } = {}): Promise<House> {
  const [database, nats] = await Promise.all([pg.freshDatabase(), startTestNats(t)]);
  const showIds = await putOnSale(database.pool, { shows: options.shows ?? 1, rows: 2, seatsPerRow: 4 });
  const home = { database, natsUrl: nats.url };
  const nodes: TestClusterNode[] = [];
  for (let i = 1; i <= (options.nodes ?? 1); i += 1) nodes.push(await startNodeOf(t, home, `n${i}`));
  return { ...home, nats, showIds, nodes };
}

const showIn = ({ showIds }: House): ShowId => showIds[0] as ShowId;

async function ownerOf({ database, nodes }: House, showId: ShowId): Promise<TestClusterNode> {
  const { rows } = await database.pool.query<{ owner: string }>("SELECT owner FROM show_lease WHERE show_id = $1", [
    showId,
  ]);
  const node = nodes.find(({ nodeId }) => nodeId === rows[0]?.owner);
  if (node === undefined) throw new Error(`nobody owns ${showId}`);
  return node;
}

async function lock(gateway: ClusterGateway, token: string, showId: ShowId, seat: string): Promise<string> {
  const body = { showtime_id: showId, seat_ids: [seat] };
  const answer = await gateway.send("POST", "/v1/bookings/lock", { token, body });
  if (answer.status !== 201)
    throw new Error(`locking ${seat} answered ${answer.status} ${JSON.stringify(answer.body)}`);
  return answer.body.lock_id as string;
}

const release = (gateway: ClusterGateway, token: string, lockId: string): Promise<GatewayAnswer> =>
  gateway.send("DELETE", `/v1/bookings/lock/${lockId}`, { token });

/** A poll that is parked when this resolves. */
async function parkPoll(gateway: ClusterGateway, token: string, bookingId: string) {
  const { body } = await gateway.get(`/v1/bookings/${bookingId}`, token);
  const before = await gateway.parked();
  const startedAt = performance.now();
  const answer = gateway
    .get(`/v1/bookings/${bookingId}?wait=30&after=${body.version}`, token)
    .then((heard) => ({ ...heard, tookMs: performance.now() - startedAt }));
  await until("the poll is parked", async () => (await gateway.parked()) > before);
  return { answer };
}

t.test("the catalogue: what one gateway changes another shows; a lost word costs a second", async (t) => {
  const home = await house(t);
  const path = `/v1/shows/${showIn(home)}`;
  const here = await startGatewayOf(t, home);
  // Its answers never grow old: only a word of the change can make it read again.
  const there = await startGatewayOf(t, home, { catalogueClock: { now: () => 0 } });
  const deaf = await startGatewayOf(t, home);
  deaf.bus.lose((subject) => subject === "usher.catalogue");
  const price = async (gateway: ClusterGateway): Promise<number> => (await gateway.get(path)).body.categories[0].price;
  for (const gateway of [here, there, deaf]) t.equal(await price(gateway), 1_200);
  const admin = await here.token("admin");
  const body = { prices: { standard: 1_500 } };
  t.equal((await here.send("PATCH", `/v1/admin/shows/${showIn(home)}`, { token: admin, body })).status, 200);
  t.equal(await price(here), 1_500, "at once where it was changed");
  await until("the other one shows it", async () => (await price(there)) === 1_500, LATE_MS);
  await until("the one that heard nothing shows it", async () => (await price(deaf)) === 1_500, LATE_MS);
  t.ok(deaf.bus.lost.length > 0);
});

t.test("the same key on another gateway is the same request; everything is read on each", async (t) => {
  const home = await house(t, { nodes: 2 });
  const [here, there] = [await startGatewayOf(t, home), await startGatewayOf(t, home)];
  const token = await here.token();
  const body = { showtime_id: showIn(home), seat_ids: ["A1"] };
  const asked = { token, key: "one-key", body };
  const both = await Promise.all([
    here.send("POST", "/v1/bookings/lock", asked),
    there.send("POST", "/v1/bookings/lock", asked),
  ]);
  t.same(
    both.map(({ status }) => status),
    [201, 201],
  );
  t.same(both[0], both[1]);
  const lockId = both[0].body.lock_id as string;
  const other = { ...asked, body: { ...body, seat_ids: ["A2"] } };
  t.match(await there.send("POST", "/v1/bookings/lock", other), {
    status: 422,
    body: { code: "idempotency_key_reused" },
  });
  const paying = { token, key: "pay", body: { lock_id: lockId, payment_token: "pm_card_visa" } };
  const confirmed = await there.send("POST", "/v1/bookings/confirm", paying);
  t.match(confirmed, { body: { status: "booked" } });
  t.same(await here.send("POST", "/v1/bookings/confirm", paying), confirmed);
  for (const gateway of [here, there]) {
    t.match(await gateway.get("/v1/bookings", token), { status: 200, body: { bookings: [{ status: "booked" }] } });
    t.match(await gateway.get(`/v1/bookings/${lockId}`, token), { status: 200, body: { status: "booked" } });
    t.equal((await gateway.get(`/v1/bookings/${lockId}`, await gateway.token())).status, 404, "nobody else's");
  }
});

t.test("a poll and a stream at another gateway hear of what the bus lost, the last message too", async (t) => {
  const home = await house(t);
  const showId = showIn(home);
  const [here, there] = [await startGatewayOf(t, home), await startGatewayOf(t, home)];
  const token = await here.token();
  const lockId = await lock(here, token, showId, "A1");
  const events = await there.stream(`/v1/shows/${showId}/seatmap/stream`);
  await until("the stream began", () => events.length > 0);
  const { answer } = await parkPoll(there, token, lockId);
  there.bus.lose((subject) => subject.startsWith("usher.update."));
  t.equal((await release(here, token, lockId)).status, 200);
  const heard = await answer;
  t.ok(there.bus.lost.length > 0, "it was lost");
  t.match(heard, { status: 200, body: { status: "released" } });
  t.ok(heard.tookMs < LATE_MS, `${Math.round(heard.tookMs)} ms`);
  await until("the stream has it", () => events.at(-1)?.data.counts?.free === 8, LATE_MS);
  t.equal(events.at(-1)?.event, "snapshot");
  t.match(await there.get(`/v1/shows/${showId}/seatmap`), { body: { counts: { held: 0 } } });
});

t.test("polls and streams go on across an owner's death and its hand-over", async (t) => {
  const home = await house(t, { nodes: 2, shows: 6 });
  const [here, there] = [await startGatewayOf(t, home), await startGatewayOf(t, home)];
  const token = await here.token();
  const lockIds = await Promise.all(home.showIds.map((showId) => lock(here, token, showId, "A1")));
  const showId = showIn(home);
  const owner = await ownerOf(home, showId);
  const events = await there.stream(`/v1/shows/${showId}/seatmap/stream`);
  const polls = await Promise.all(lockIds.map((lockId) => parkPoll(there, token, lockId)));
  await owner.crash();
  await until("another owns it", async () => (await ownerOf(home, showId)) !== owner, LATE_MS);
  await startNodeOf(t, home, "n3");
  for (const lockId of lockIds) t.equal((await release(here, token, lockId)).status, 200);
  for (const { answer } of polls) {
    const heard = await answer;
    t.match(heard, { status: 200, body: { status: "released" } });
    t.ok(heard.tookMs < LATE_MS, `${Math.round(heard.tookMs)} ms`);
  }
  const last = (): string => events.reduce((digits, { event, data }) => next(digits, event, data), "");
  await until("the stream has it", () => last() === "00000000", LATE_MS);
});

t.test("an owner dies before it could tell of its last commit, and nothing is left to do in its show", async (t) => {
  const home = await house(t, { nodes: 2 });
  const showId = showIn(home);
  const [here, there] = [await startGatewayOf(t, home), await startGatewayOf(t, home)];
  const token = await here.token();
  const lockId = await lock(here, token, showId, "A1");
  const owner = await ownerOf(home, showId);
  const events = await there.stream(`/v1/shows/${showId}/seatmap/stream`);
  const { answer } = await parkPoll(there, token, lockId);
  // What a node that is killed between its commit and its word never sends.
  there.bus.lose((subject) => subject.startsWith("usher.") && subject.endsWith(`.${owner.nodeId}`));
  t.equal((await release(here, token, lockId)).status, 200);
  await owner.crash();
  const heard = await answer;
  t.match(heard, { status: 200, body: { status: "released" } });
  t.ok(heard.tookMs < LATE_MS, `${Math.round(heard.tookMs)} ms`);
  await until("the stream has it", () => events.at(-1)?.data.counts?.free === 8, LATE_MS);
});

t.test("NATS dies and comes back: 503 and stale maps, then all is well by itself", async (t) => {
  const home = await house(t);
  const showId = showIn(home);
  const gateway = await startGatewayOf(t, home);
  const token = await gateway.token();
  const lockId = await lock(gateway, token, showId, "A1");
  const map = (): Promise<GatewayAnswer> => gateway.get(`/v1/shows/${showId}/seatmap`);
  t.match(await map(), { status: 200, body: { stale: undefined, counts: { held: 1 } } });
  t.match(await gateway.get("/readyz"), { status: 200 });
  const events = await gateway.stream(`/v1/shows/${showId}/seatmap/stream`);
  const { answer } = await parkPoll(gateway, token, lockId);

  await home.nats.kill();
  const isLost = async (): Promise<boolean> => (await gateway.get("/readyz")).status === 503;
  await until("the gateway is not ready", isLost, LATE_MS);
  t.same((await gateway.get("/readyz")).body.not_ready, ["nats"]);
  t.match(await map(), { status: 200, body: { stale: true, counts: { held: 1 } } });
  const body = { showtime_id: showId, seat_ids: ["A2"] };
  const refused = await gateway.send("POST", "/v1/bookings/lock", { token, key: "again", body });
  t.match(refused, { status: 503, body: { code: "allocators_unreachable" } });
  t.match(await gateway.get("/v1/bookings", token), { status: 200 }, "what the store knows is still told");
  t.match(await gateway.get("/v1/cities"), { status: 200 });

  await home.nats.start();
  const isBack = async (): Promise<boolean> => (await gateway.get("/readyz")).status === 200;
  await until("the gateway is ready again", isBack);
  t.match(await gateway.send("POST", "/v1/bookings/lock", { token, key: "again", body }), { status: 201 });
  t.equal((await release(gateway, token, lockId)).status, 200);
  const heard = await answer;
  t.match(heard, { status: 200, body: { status: "released" } });
  await until("the map is fresh", async () => (await map()).body.stale === undefined, LATE_MS);
  t.match(await map(), { body: { counts: { held: 1 } } });
  const last = (): string => events.reduce((digits, { event, data }) => next(digits, event, data), "");
  await until("the stream went on", () => last() === "01000000", LATE_MS);
});

t.test("no allocator: the gateway says so, and is ready when there is one", async (t) => {
  const home = await house(t);
  const gateway = await startGatewayOf(t, home);
  t.match(await gateway.get("/readyz"), { status: 200 });
  await home.nodes[0]?.crash();
  // Nobody is left who would set it dead: it stays in the view.
  await until("the gateway is not ready", async () => (await gateway.get("/readyz")).status === 503, LATE_MS);
  t.same((await gateway.get("/readyz")).body.not_ready, ["allocators"]);
  const late = await startGatewayOf(t, home);
  await until(
    "a gateway that comes now is not either",
    async () => (await late.get("/readyz")).status === 503,
    LATE_MS,
  );
  await startNodeOf(t, home, "n2");
  await until("ready", async () => (await gateway.get("/readyz")).status === 200);
  await lock(gateway, await gateway.token(), showIn(home), "A1");
});

/** A seat map after an event of its stream. */
// biome-ignore lint/suspicious/noExplicitAny: it is what the stream says.
function next(digits: string, event: string, data: any): string {
  if (event === "snapshot") return data.status;
  const seats = [...digits];
  for (const [seat, digit] of data.changes) seats[seat] = String(digit);
  return seats.join("");
}
