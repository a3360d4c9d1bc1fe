// Goal: what the platform says about the database is true: which faults leave no doubt, that the schema and the secrets
// are made once however many ask, and that databases of one test do not see each other. Method: a real server, real
// connections cut and killed under way.

import { connect, createServer } from "node:net";
import t from "tap";
import { migrate } from "../../shared/platform/migrate.ts";
import { createPool, faultOf } from "../../shared/platform/postgres.ts";
import { loadSecrets } from "../../shared/platform/secrets.ts";
import { startTestPostgres } from "../harness/postgres.ts";

const poolTo = (url: string, statementTimeoutMs = 0) =>
  createPool({ url, max: 2, applicationName: "platform test", statementTimeoutMs, connectTimeoutMs: 5_000 });

t.test("platform on a real server", async (t) => {
  const postgres = await startTestPostgres(t);
  const faultFrom = async (text: string, values: unknown[] = []) =>
    faultOf(
      await postgres.pool.query(text, values).then(
        () => undefined,
        (error: unknown) => error,
      ),
    );

  t.test("faults after which nothing was committed, for certain", async (t) => {
    await postgres.pool.query("CREATE TABLE item (id int PRIMARY KEY, text text)");
    await postgres.pool.query("INSERT INTO item VALUES (1, '')");
    t.match(await faultFrom("INSERT INTO item VALUES (1, '')"), {
      kind: "conflict",
      sqlState: "23505",
      constraint: "item_pkey",
    });
    t.match(await faultFrom("INSERT INTO item VALUES (2, $1)", ["a\0b"]), { kind: "bad_data", sqlState: "22021" });
    t.match(await faultFrom("SELECT 1 / 0"), { kind: "bad_data", sqlState: "22012" });
    t.match(await faultFrom("SELECT * FROM nowhere"), { kind: "aborted", sqlState: "42P01" });
    const hurried = poolTo(postgres.url, 50);
    const late = await hurried.query("SELECT pg_sleep(5)").catch((error: unknown) => error);
    t.match(faultOf(late), { kind: "aborted", sqlState: "57014" });
    await hurried.end();
  });

  t.test("int8 is a number, and one beyond 2^53 an error", async (t) => {
    const { rows } = await postgres.pool.query("SELECT 9007199254740991::int8 AS n, ARRAY[1, NULL, 2]::int8[] AS list");
    t.same(rows, [{ n: Number.MAX_SAFE_INTEGER, list: [1, null, 2] }]);
    await t.rejects(postgres.pool.query("SELECT 9007199254740993::int8"), RangeError);
  });

  t.test("a connection lost under way: the outcome is unknown, and the pool lives on", async (t) => {
    const pool = poolTo(postgres.url);
    const { rows } = await pool.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
    const lost = pool.query("SELECT pg_sleep(60)").catch((error: unknown) => error);
    const terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND query ~ 'pg_sleep'";
    while ((await postgres.pool.query(terminate, [rows[0]?.pid])).rowCount === 0);
    t.match(faultOf(await lost), { kind: "unknown", sqlState: "57P01" });
    t.equal((await pool.query("SELECT 1")).rowCount, 1);
    await pool.end();
    t.equal(faultOf(await pool.query("SELECT 1").catch((error: unknown) => error)).kind, "unavailable");
  });

  t.test("a wire that is cut in the middle of a statement: unknown", async (t) => {
    // A relay in front of the server, whose both ends can be cut.
    const { port } = postgres.server;
    const relay = createServer((client) => {
      const server = connect(port, "127.0.0.1");
      client.pipe(server).pipe(client);
      for (const end of [client, server]) end.on("error", () => undefined);
      cut = () => client.destroy();
    });
    let cut = (): void => undefined;
    relay.listen(0, "127.0.0.1");
    await new Promise((resolve) => relay.once("listening", resolve));
    const address = relay.address();
    const url = new URL(postgres.url);
    url.port = String(typeof address === "object" && address !== null ? address.port : 0);
    const pool = poolTo(url.href);
    await pool.query("SELECT 1");
    const lost = pool.query("SELECT pg_sleep(60)").catch((error: unknown) => error);
    cut();
    t.match(faultOf(await lost), { kind: "unknown", sqlState: undefined });
    await new Promise((resolve) => relay.close(resolve));
    const unsent = await pool.query("SELECT 1").catch((error: unknown) => error);
    t.equal(faultOf(unsent).kind, "unavailable", "nobody listens: nothing was sent");
    await pool.end();
  });

  t.test("a server that hangs does not hold its client", async (t) => {
    // Takes connections and never answers.
    const mute = createServer(() => undefined).listen(0, "127.0.0.1");
    await new Promise((resolve) => mute.once("listening", resolve));
    const address = mute.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const url = `postgresql://nobody:x@127.0.0.1:${port}/none`;
    const pool = createPool({ url, max: 1, applicationName: "t", statementTimeoutMs: 0, connectTimeoutMs: 100 });
    t.equal(faultOf(await pool.query("SELECT 1").catch((error: unknown) => error)).kind, "unavailable");
    await pool.end();
    mute.close();
  });

  t.test("a password that is wrong, a database that is not there: nothing was sent", async (t) => {
    for (const change of [(url: URL) => (url.password = "x"), (url: URL) => (url.pathname = "/none")]) {
      const url = new URL(postgres.url);
      change(url);
      const pool = poolTo(url.href);
      t.equal(faultOf(await pool.query("SELECT 1").catch((error: unknown) => error)).kind, "unavailable");
      await pool.end();
    }
  });

  t.test("the schema is made once, however many start at once", async (t) => {
    await postgres.pool.query("CREATE DATABASE bare");
    const url = new URL(postgres.url);
    url.pathname = "/bare";
    const applied = await Promise.all(Array.from({ length: 4 }, () => migrate(url.href)));
    t.equal(applied.filter((names) => names.length > 0).length, 1);
    t.same(await migrate(url.href), []);
  });

  t.test("secrets are made once, however many ask", async (t) => {
    const { pool } = await postgres.freshDatabase();
    const all = await Promise.all(Array.from({ length: 6 }, () => loadSecrets(pool)));
    t.equal(all[0]?.sessionKey.length, 32);
    t.notSame(all[0]?.sessionKey, all[0]?.operationKey);
    const words = all.map((secrets) => [
      Buffer.from(secrets.sessionKey).toString("hex"),
      Buffer.from(secrets.operationKey).toString("hex"),
      secrets.ticketKey.export({ format: "pem", type: "pkcs8" }),
    ]);
    t.equal(new Set(words.map((word) => word.join())).size, 1);
    t.equal(all[0]?.ticketPublicKey.asymmetricKeyType, "ed25519");
  });

  t.test("databases of one server do not see each other", async (t) => {
    const [a, b] = await Promise.all([postgres.freshDatabase(), postgres.freshDatabase()]);
    await a.pool.query("INSERT INTO city VALUES ('x', 'X', 'Y', 'Z')");
    t.equal((await a.pool.query("SELECT 1 FROM city")).rowCount, 1);
    t.equal((await b.pool.query("SELECT 1 FROM city")).rowCount, 0);
  });
});
