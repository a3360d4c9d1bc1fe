// Goal: nothing that was acknowledged is lost when every process dies at once, under load.
// Method: clients lock, confirm and release over HTTP and write down what they were told. Then the product, its
// Postgres and its payment simulator are killed with -9, and the product is started again on the same folder. Each
// acknowledged booking must be there; what was under way is asked again with its key and must take effect once; the
// audit must pass; Ctrl-C must leave no process.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import t, { type Test } from "tap";
import { smallCatalogue, smallShowId } from "../../demo/catalogue/small.ts";
import { LoadConnection, once } from "../harness/http-client.ts";
import { testFolder } from "../harness/postgres.ts";
import { isAlive, treeOf } from "../harness/processes.ts";
import { startProduct, usher } from "../harness/product.ts";

const SHOWS = 20;
const CLIENTS = 16;
const ACKNOWLEDGED_BEFORE_KILL = 400;

interface Step {
  readonly session: string;
  readonly key: string;
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
}

/** What a client knows of one booking: what it was told last, and what it never heard back about. */
interface Known {
  readonly session: string;
  readonly id: string;
  status: "held" | "booked" | "released";
  readonly expiresAt: number;
  unanswered: Step | undefined;
}

interface Booking {
  readonly booking_id: string;
  readonly lock_id: string;
  readonly status: string;
  readonly seats: string[];
  readonly expires_at: string;
}

class Clients {
  readonly known: Known[] = [];
  readonly lostLocks: Step[] = [];
  #acknowledged = 0;
  #turn = 0;
  #reached: () => void = () => undefined;
  readonly reached = new Promise<void>((resolve) => {
    this.#reached = resolve;
  });

  async run(url: string, round: number): Promise<void> {
    const { token } = (await once(url, "POST", "/v1/sessions", "", "{}")) as { token: string };
    const connection = await LoadConnection.open(url);
    try {
      for (;;) await this.#oneBooking(connection, token, round);
    } catch {
      // The connection died with the product.
    } finally {
      connection.close();
    }
  }

  async #oneBooking(connection: LoadConnection, session: string, round: number): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    const body = JSON.stringify({ showtime_id: smallShowId(turn % SHOWS), quantity: 1 + (turn % 3) });
    const lock: Step = { session, key: `r${round}-lock-${turn}`, method: "POST", path: "/v1/bookings/lock", body };
    this.lostLocks.push(lock);
    const answer = await send(connection, lock);
    this.lostLocks.splice(this.lostLocks.indexOf(lock), 1);
    if (answer.status !== 201) return;
    const { lock_id, expires_at } = JSON.parse(answer.body) as Booking;
    const known: Known = {
      session,
      id: lock_id,
      status: "held",
      expiresAt: Date.parse(expires_at),
      unanswered: undefined,
    };
    this.known.push(known);
    this.#acknowledge();
    // A third stays held (as far as the limit of seats lets it), a third is booked, a third given back.
    if (turn % 5 === 0) return;
    const key = `r${round}-end-${turn}`;
    const confirm = JSON.stringify({ lock_id, payment_token: "pm_card_visa" });
    known.unanswered =
      turn % 2 === 0
        ? { session, key, method: "POST", path: "/v1/bookings/confirm", body: confirm }
        : { session, key, method: "DELETE", path: `/v1/bookings/lock/${lock_id}`, body: undefined };
    const end = await send(connection, known.unanswered);
    if (end.status !== 200) return;
    known.status = turn % 2 === 0 ? "booked" : "released";
    known.unanswered = undefined;
    this.#acknowledge();
  }

  #acknowledge(): void {
    this.#acknowledged += 1;
    if (this.#acknowledged >= ACKNOWLEDGED_BEFORE_KILL) this.#reached();
  }
}

const send = (connection: LoadConnection, step: Step) =>
  connection.request(
    step.method,
    step.path,
    `Authorization: Bearer ${step.session}\r\nX-Idempotency-Key: ${step.key}\r\n`,
    step.body,
  );

async function checkKnown(t: Test, url: string, clients: Clients): Promise<void> {
  const connection = await LoadConnection.open(url);
  t.teardown(() => connection.close());
  for (const lock of clients.lostLocks) {
    const first = await send(connection, lock);
    const again = await send(connection, lock);
    t.equal(again.body, first.body, "a lock that was never answered takes effect once");
  }
  for (const known of clients.known) {
    if (known.unanswered !== undefined) {
      const end = await send(connection, known.unanswered);
      t.ok([200, 202].includes(end.status), `what was never answered is answered now: ${end.status} ${end.body}`);
      continue;
    }
    const read = await connection.request(
      "GET",
      `/v1/bookings/${known.id}`,
      `Authorization: Bearer ${known.session}\r\n`,
    );
    const booking = JSON.parse(read.body) as Booking;
    if (booking.status !== known.status) t.fail(`${known.id} was acknowledged ${known.status}, is ${read.body}`);
    if (Date.parse(booking.expires_at) < known.expiresAt) t.fail(`${known.id} expires before what was promised`);
  }
}

t.setTimeout(170_000);

t.test("kill -9 of everything under load", { timeout: 160_000 }, async (t) => {
  const dataDir = await testFolder(t);
  const env = { BOOKING_ATTEMPTS_PER_MIN: "0" };
  const catalogue = join(dataDir, "catalogue.json");
  await writeFile(catalogue, JSON.stringify(smallCatalogue({ shows: SHOWS, startsAt: Date.now() + 86_400_000 })));
  let product = await startProduct(t, dataDir, { flags: ["--no-demo"], env });
  t.equal((await usher(t, ["import", catalogue, "--data", dataDir]).ended).code, 0, "import");
  for (const whom of ["everything", "the product alone, its Postgres orphaned"]) {
    const clients = new Clients();
    const running = Array.from({ length: CLIENTS }, () => clients.run(product.url, whom.length));
    await clients.reached;
    const tree = await treeOf(product.child.pid as number);
    t.ok(tree.length >= 3, `the tree has ${tree.length} processes`);
    for (const pid of whom === "everything" ? tree : tree.slice(0, 1)) process.kill(pid, "SIGKILL");
    await Promise.all(running);
    await product.ended;
    product = await startProduct(t, dataDir, { flags: ["--no-demo"], env });
    await checkKnown(t, product.url, clients);
    t.comment(`${whom}: ${clients.known.length} bookings known, ${clients.lostLocks.length} locks unanswered`);
    const audit = await usher(t, ["audit", "--data", dataDir]).ended;
    t.equal(audit.code, 0, `audit: ${audit.stdout}${audit.stderr}`);
  }
  const tree = await treeOf(product.child.pid as number);
  product.child.kill("SIGINT");
  const { code } = await product.ended;
  t.equal(code, 0, "Ctrl-C ends it well");
  t.same(tree.filter(isAlive), [], "and leaves no process behind");
});
