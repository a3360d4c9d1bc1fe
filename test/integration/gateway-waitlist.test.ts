// Goal: the line as people meet it over HTTP: their parked polls hear of what is theirs and of nothing else, in the order
// in which they joined, whoever owns the show; and seats that two want go to one.
// Method: gateway and allocator in one process on a real server; every person has a connection for its polls and one for
// all else; what the log says is judged by the witness.

import t, { type Test } from "tap";
import { startSingleNode } from "../../cli/single-node.ts";
import type { SmallCatalogueOptions } from "../../demo/catalogue/small.ts";
import { GATEWAY_LIMITS } from "../../gateway/config.ts";
import type { BookingId, SessionId, ShowId } from "../../shared/kernel/ids.ts";
import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { ASK_MS, putOnSale, release, startNode, until } from "../harness/allocator.ts";
import { LoadConnection } from "../harness/http-client.ts";
import { witness } from "../harness/line-witness.ts";
import { startTestPostgres, type TestDatabase } from "../harness/postgres.ts";

const pg = await startTestPostgres(t);

interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape.
  readonly body: any;
}

interface Entry {
  readonly waiter_id: string;
  readonly state: string;
  readonly version: number;
  readonly position: number;
  readonly offer: { readonly seats: string[]; readonly expires_at: string } | null;
}

/** One session, with a connection on which its polls are parked and one for all else. */
class Person {
  readonly session: SessionId;
  readonly #token: string;
  #desk: LoadConnection;
  #line: LoadConnection;
  #keys = 0;
  /** What its parked polls were answered. */
  readonly heard: Entry[] = [];
  entry: Entry | undefined;

  private constructor(desk: LoadConnection, line: LoadConnection, started: { token: string; session_id: string }) {
    this.#desk = desk;
    this.#line = line;
    this.#token = started.token;
    this.session = started.session_id as SessionId;
  }

  static async arrive(t: Test, url: string): Promise<Person> {
    const desk = await LoadConnection.open(url);
    const started = JSON.parse((await desk.request("POST", "/v1/sessions", "", "{}")).body);
    const person = new Person(desk, await LoadConnection.open(url), started);
    t.teardown(() => person.hangUp());
    return person;
  }

  async moveTo(url: string): Promise<void> {
    this.hangUp();
    this.#desk = await LoadConnection.open(url);
    this.#line = await LoadConnection.open(url);
  }

  hangUp(): void {
    this.#desk.close();
    this.#line.close();
  }

  async #ask(on: LoadConnection, method: string, path: string, body?: unknown): Promise<Answer> {
    this.#keys += 1;
    const headers = `Authorization: Bearer ${this.#token}\r\nX-Idempotency-Key: k${this.#keys}\r\n`;
    const answer = await on.request(method, path, headers, body === undefined ? undefined : JSON.stringify(body));
    return { status: answer.status, body: JSON.parse(answer.body) };
  }

  ask(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.#ask(this.#desk, method, path, body);
  }

  /** The lock's id. */
  async hold(showId: string, ...seats: string[]): Promise<string> {
    const { status, body } = await this.ask("POST", "/v1/bookings/lock", { showtime_id: showId, seat_ids: seats });
    if (status !== 201) throw new Error(`holding ${seats} answered ${status} ${body.code}`);
    return body.lock_id;
  }

  giveUp = (lockId: string): Promise<Answer> => this.ask("DELETE", `/v1/bookings/lock/${lockId}`);

  async join(showId: string, quantity: number): Promise<Entry> {
    const { status, body } = await this.ask("POST", `/v1/shows/${showId}/waitlist`, { quantity });
    if (status !== 201) throw new Error(`joining answered ${status} ${body.code}`);
    this.entry = body as Entry;
    return this.entry;
  }

  get path(): string {
    return `/v1/waitlist/${this.entry?.waiter_id}`;
  }

  /** Parks a poll; resolves with what it is answered. */
  async poll(): Promise<Entry> {
    const path = `${this.path}?wait=30&after=${this.entry?.version}`;
    const { status, body } = await this.#ask(this.#line, "GET", path);
    if (status !== 200) throw new Error(`a poll answered ${status} ${body.code}`);
    this.entry = body as Entry;
    this.heard.push(this.entry);
    return this.entry;
  }

  /** Polls until there is news: one that waits in vain is answered, too. */
  async news(): Promise<Entry> {
    const { version } = this.entry as Entry;
    while ((await this.poll()).version === version);
    return this.entry as Entry;
  }

  async look(): Promise<Entry> {
    return (await this.ask("GET", this.path)).body as Entry;
  }

  accept = (seatIds?: readonly string[]): Promise<Answer> =>
    this.ask("POST", `${this.path}/offer/accept`, seatIds === undefined ? undefined : { seat_ids: seatIds });
}

async function startOn(t: Test, database: TestDatabase) {
  const node = await startSingleNode({
    databaseUrl: database.url,
    gateway: { host: "127.0.0.1", port: 0, limits: GATEWAY_LIMITS },
    payments: undefined,
    payTtlMs: 10_000,
    cancelUntilMs: 3_600_000,
    releaseOnDecline: true,
    holdTtlMs: 300_000,
    graceMs: 0,
    offerTtlMs: 120_000,
    version: "0",
    log: silentLog(),
  });
  t.teardown(() => node.stop());
  /** As the gateway counts them. */
  const parked = async (): Promise<number> =>
    Number(/^usher_parked_polls (\d+)$/m.exec(await (await fetch(`${node.url}/metrics`)).text())?.[1]);
  return {
    ...node,
    parked,
    untilParked: (count: number) => until(`${count} polls are parked`, async () => (await parked()) === count),
    people: (count: number) => Promise.all(Array.from({ length: count }, () => Person.arrive(t, node.url))),
  };
}

async function house(t: Test, catalogue: Partial<SmallCatalogueOptions>) {
  const database = await pg.freshDatabase();
  const shows = await putOnSale(database.pool, catalogue);
  return { database, shows, showId: shows[0] as ShowId, node: await startOn(t, database) };
}

/** What the log says of shows with so many seats of one category. */
async function fair(t: Test, { pool }: TestDatabase, showId: ShowId, seats: number) {
  const seen = await witness(pool, showId, new Array(seats).fill(0));
  t.same(seen.problems, [], "the witness finds nothing unfair");
  return seen;
}

t.test("a parked poll hears of its offer; it lapses, and the next one's poll hears in that turn", async (t) => {
  const policies = { offer_ttl_s: 1, grace_s: 0 };
  const { database, node, showId } = await house(t, { rows: 1, seatsPerRow: 2, policies });
  const [ann, bob, cid, dan] = (await node.people(4)) as [Person, Person, Person, Person];
  const lockId = await ann.hold(showId, "A1", "A2");
  t.match(await bob.join(showId, 2), { state: "waiting", position: 1 });
  t.match(await cid.join(showId, 2), { state: "waiting", position: 2 });
  const [forBob, forCid] = [bob.poll(), cid.poll()];
  await node.untilParked(2);
  t.equal((await ann.giveUp(lockId)).status, 200);
  t.match(await forBob, { state: "offered", position: 0, offer: { seats: ["A1", "A2"], total: 2_400 } });
  const barging = await dan.ask("POST", "/v1/bookings/lock", { showtime_id: showId, seat_ids: ["A1"] });
  t.match(barging, { status: 409, body: { code: "waitlist_active" } });
  const lapsed = await bob.news();
  t.match(lapsed, { state: "lapsed" });
  t.match(await forCid, { state: "offered", version: lapsed.version, offer: { seats: ["A1", "A2"] } });
  t.match(await bob.accept(), { status: 410, body: { code: "offer_lapsed" } });
  t.match(await cid.accept(), { status: 201, body: { seats: ["A1", "A2"] } });
  t.match(await cid.news(), { state: "accepted" });
  t.same((await fair(t, database, showId, 2)).offered, [bob.entry?.waiter_id, cid.entry?.waiter_id]);
});

t.test("two accept with the same seats at once: one has them, the other what it was offered", async (t) => {
  const rounds = 50;
  const { database, node, shows } = await house(t, { rows: 1, seatsPerRow: 6, shows: rounds });
  const [ann, bob, cid, xia, yan, zoe] = (await node.people(6)) as Person[] as [
    Person,
    Person,
    Person,
    Person,
    Person,
    Person,
  ];
  const wins = new Map<Person, number>();
  for (const [round, showId] of shows.entries()) {
    const holds = [await ann.hold(showId, "A1", "A2"), await bob.hold(showId, "A3", "A4")];
    const last = await cid.hold(showId, "A5", "A6");
    await xia.join(showId, 2);
    await yan.join(showId, 2);
    await Promise.all([ann.giveUp(holds[0] as string), bob.giveUp(holds[1] as string), cid.giveUp(last)]);
    // Behind them: what she claims does not bind those whose turn it was before.
    await zoe.join(showId, 3);
    const offers = new Map([
      [xia, await xia.look()],
      [yan, await yan.look()],
    ]);
    const offered = [...offers.values()].flatMap(({ offer }) => offer?.seats);
    const free = ["A1", "A2", "A3", "A4", "A5", "A6"].filter((seat) => !offered.includes(seat));
    const inTurn = round % 2 === 0 ? [xia, yan] : [yan, xia];
    const answers = await Promise.all(inTurn.map((person) => person.accept(free)));
    const winner = inTurn[answers.findIndex(({ status }) => status === 201)] as Person;
    const loser = winner === xia ? yan : xia;
    wins.set(winner, (wins.get(winner) ?? 0) + 1);
    const lost = answers.filter(({ status }) => status === 409);
    t.match(lost, [{ body: { code: "seats_taken", seats: free } }], `round ${round}: one is refused`);
    t.same(await loser.look(), offers.get(loser), "whose offer stands as it was");
    t.match(await winner.look(), { state: "accepted", offer: null });
    t.match(await loser.accept(), { status: 201, body: { seats: offers.get(loser)?.offer?.seats } });
    const map = (await zoe.ask("GET", `/v1/shows/${showId}/seatmap`)).body;
    t.same(
      map.counts,
      { free: 2, queued: 2, held: 4, sold: 0, blocked: 0 },
      "the winner's block is the next's to wait for",
    );
    await fair(t, database, showId, 6);
  }
  t.comment(`the first named in the line won ${wins.get(xia)} times, the second ${wins.get(yan)} times`);
});

t.test("300 people for 20 seats that come free by chance: served in the order of joining, each once", async (t) => {
  const { database, node, showId } = await house(t, { rows: 2, seatsPerRow: 10 });
  const random = new SeededRandom(20_260_101);
  const held: { person: Person; lockId: string }[] = [];
  let isHeldMore: () => void = () => undefined;
  const keep = (person: Person, lockId: string): void => {
    held.push({ person, lockId });
    isHeldMore();
  };
  for (const [i, person] of (await node.people(10)).entries()) {
    const row = i < 5 ? "A" : "B";
    keep(person, await person.hold(showId, `${row}${2 * (i % 5) + 1}`, `${row}${2 * (i % 5) + 2}`));
  }
  const people = await node.people(300);
  await Promise.all(people.map((person) => person.join(showId, 1 + random.below(3))));
  people.sort((a, b) => (a.entry?.version ?? 0) - (b.entry?.version ?? 0));
  const ids = people.map(({ entry }) => entry?.waiter_id);
  t.same(
    (await Promise.all(people.map((person) => person.look()))).map(({ position }) => position),
    people.map((_, i) => i + 1),
    "positions are the order of joining",
  );
  const served: Entry[] = [];
  const lives = people.map(async (person) => {
    const offered = await person.news();
    served.push(offered);
    t.equal(offered.state, "offered");
    if (random.below(8) === 0) {
      t.match(await person.ask("POST", `${person.path}/offer/decline`), { status: 200, body: { state: "declined" } });
      return isHeldMore();
    }
    const taken = await person.accept();
    t.match(taken, { status: 201, body: { seats: offered.offer?.seats } });
    keep(person, taken.body.lock_id);
  });
  await node.untilParked(300);
  const allServed = Promise.all(lives);
  let isOver = false;
  const over = allServed.then(() => {
    isOver = true;
  });
  while (!isOver) {
    // A few at once, each of somebody else.
    const some = Array.from({ length: Math.min(held.length, 1 + random.below(4)) }, () =>
      held.splice(random.below(held.length), 1),
    ).flat();
    for (const { status } of await Promise.all(some.map(({ person, lockId }) => person.giveUp(lockId)))) {
      t.equal(status, 200);
    }
    const more = new Promise<void>((resolve) => {
      isHeldMore = resolve;
    });
    if (held.length === 0) await Promise.race([more, over]);
  }
  const seen = await fair(t, database, showId, 20);
  t.same(seen.joined, ids);
  t.same(seen.offered, ids, "offers come in the order of joining");
  t.equal(new Set(served.map(({ waiter_id }) => waiter_id)).size, 300);
  const map = (await (people[0] as Person).ask("GET", `/v1/shows/${showId}/seatmap`)).body;
  t.equal(map.status, seen.status);
  t.equal(map.counts.queued, 0);
});

t.test("the head leaves: it hears, and whom that serves; nobody else is answered", async (t) => {
  const { database, node, showId } = await house(t, { rows: 1, seatsPerRow: 6 });
  const [ann, bob, head, next, ...others] = (await node.people(64)) as [Person, Person, Person, Person, ...Person[]];
  const lockId = await ann.hold(showId, "A1", "A2");
  await bob.hold(showId, "A3", "A4", "A5", "A6");
  await head.join(showId, 4);
  await next.join(showId, 2);
  for (const person of others) await person.join(showId, 3);
  const polls = new Map([head, next, ...others].map((person) => [person, person.poll()]));
  await node.untilParked(62);
  await ann.giveUp(lockId);
  t.match((await ann.ask("GET", `/v1/shows/${showId}/seatmap`)).body.counts, { free: 2, queued: 2 }, "it accumulates");
  t.equal((await head.ask("DELETE", head.path)).status, 200);
  const left = await polls.get(head);
  t.match(left, { state: "cancelled" });
  t.match(await polls.get(next), { state: "offered", version: left?.version, offer: { seats: ["A1", "A2"] } });
  t.equal(await node.parked(), 60, "the others are still parked");
  t.match(await others[59]?.look(), { position: 60 }, "though they have moved up");
  // Whatever else one of them had been told would have been its poll's answer instead.
  await Promise.all(others.map((person) => person.ask("DELETE", person.path)));
  for (const person of others)
    t.match(await polls.get(person), { state: "cancelled", waiter_id: person.entry?.waiter_id });
  t.ok([head, next, ...others].every(({ heard }) => heard.length === 1));
  await fair(t, database, showId, 6);
});

t.test("who disconnects frees its place in the lot at once, and keeps the one in the line", async (t) => {
  const { database, node, showId } = await house(t, { rows: 1, seatsPerRow: 4 });
  const [ann, ...line] = (await node.people(6)) as [Person, ...Person[]];
  const lockId = await ann.hold(showId, "A1", "A2", "A3", "A4");
  for (const person of line) await person.join(showId, 2);
  const polls = line.map((person) => person.poll());
  await node.untilParked(5);
  const gone = line.splice(0, 2);
  for (const person of gone) person.hangUp();
  // The waits are of 30 s: these do not end by themselves.
  await until("two places are free", async () => (await node.parked()) === 3, 10_000);
  await ann.giveUp(lockId);
  for (const person of gone) {
    await person.moveTo(node.url);
    t.match(await person.poll(), { state: "offered" }, "it was its turn, and the next poll says so at once");
  }
  t.equal(await node.parked(), 3);
  t.match(await gone[1]?.accept(), { status: 201 });
  await gone[0]?.ask("DELETE", gone[0].path);
  t.match(await polls[2], { state: "offered" });
  await fair(t, database, showId, 4);
});

t.test("a start on the same database: places, versions and offers stand, and polls go on", async (t) => {
  const { database, node, showId } = await house(t, { rows: 1, seatsPerRow: 4 });
  const [ann, bob, ...line] = (await node.people(8)) as [Person, Person, ...Person[]];
  const holds = [await ann.hold(showId, "A1", "A2"), await bob.hold(showId, "A3", "A4")];
  for (const person of line) await person.join(showId, 2);
  await ann.giveUp(holds[0] as string);
  const [first, second] = line as [Person, Person];
  t.match(await first.poll(), { state: "offered" });
  const polls = line.map((person) => person.poll());
  await node.untilParked(6);
  const before = await Promise.all(line.map((person) => person.look()));
  await node.stop();
  const known = (entries: Entry[]) => entries.map((entry) => ({ ...entry, estimated_wait_s: null }));
  t.same(known(await Promise.all(polls)), known(before), "each was answered when it ended, with what it knew already");
  const next = await startOn(t, database);
  await Promise.all([ann, bob, ...line].map((person) => person.moveTo(next.url)));
  t.same(known(await Promise.all(line.map((person) => person.look()))), known(before));
  const parked = line.map((person) => person.poll());
  await next.untilParked(6);
  t.match(await first.accept(), { status: 201, body: { seats: ["A1", "A2"] } });
  t.match(await parked[0], { state: "accepted" });
  t.equal((await bob.giveUp(holds[1] as string)).status, 200);
  t.match(await parked[1], { state: "offered", offer: { seats: ["A3", "A4"] } });
  t.equal(await next.parked(), 4);
  t.equal((await fair(t, database, showId, 4)).offered.at(-1), second.entry?.waiter_id);
});

t.test("another owner serves the line unheard: the polls parked here hear of it when the show is back", async (t) => {
  const { database, node, showId } = await house(t, { rows: 1, seatsPerRow: 4 });
  const [ann, ...line] = (await node.people(5)) as [Person, Person, Person, Person, Person];
  const lockId = (await ann.hold(showId, "A1", "A2", "A3", "A4")) as BookingId;
  for (const person of line) await person.join(showId, 2);
  const polls = line.map((person) => person.poll());
  await node.untilParked(4);
  const rival = await startNode(t, database, "rival");
  t.match(await rival.port.ask(showId, release(lockId, ann.session), ASK_MS), { booking: { status: "released" } });
  await rival.stop();
  t.equal(await node.parked(), 4, "nobody here has been told");
  t.match(await line[3].look(), { state: "waiting", position: 2 }, "one asks, and the show is loaded anew");
  t.match(await polls[0], { state: "offered", offer: { seats: ["A1", "A2"] } });
  t.match(await polls[1], { state: "offered", offer: { seats: ["A3", "A4"] } });
  await line[0].ask("POST", `${line[0].path}/offer/decline`);
  t.match(await polls[2], { state: "offered", offer: { seats: ["A1", "A2"] } });
  t.equal(await node.parked(), 1);
  await fair(t, database, showId, 4);
});
