// Goal: what compose.yaml says works: its commands, environments, passwords and health checks, with NATS's permissions,
// up to a booking that is paid, the death of an allocator, and an end in good order. Method: the services of our image
// are started by that very text (test/harness/deployed.ts); Postgres and NATS are real, the containers are missing.

import t from "tap";
import { putOnSale, until } from "../harness/allocator.ts";
import { FILLED_IN, type Place, type RunningService, runService, startDeployedNats } from "../harness/deployed.ts";
import { startTestPostgres, testFolder } from "../harness/postgres.ts";

/** Of one part, as max_connections in compose.yaml counts them. */
const CONNECTIONS_PER_PART = 24;

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function post(url: string, token: string | undefined, key: string, body: object): Promise<Answer> {
  const response = await fetch(url, {
    method: "POST",
    headers: {
      "Content-Type": "application/json",
      "X-Idempotency-Key": key,
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as Answer["body"] };
}

t.test("two allocators, a gateway and the simulator, as compose starts them", async (t) => {
  const [pg, nats, dataDir] = await Promise.all([startTestPostgres(t), startDeployedNats(t), testFolder(t)]);
  const shows = await putOnSale(pg.pool, { shows: 8 });
  const addresses: Record<string, string> = { "nats:4222": `127.0.0.1:${nats.port}` };
  const place: Place = { addresses, databaseUrl: pg.url, dataDir };
  const healthy = (name: string, service: RunningService) =>
    until(`${name} is healthy`, () => service.isHealthy(), 120_000);

  const payments = await runService(t, "payments", place);
  await healthy("payments", payments);
  addresses["payments:4243"] = `127.0.0.1:${payments.port}`;
  const first = await runService(t, "allocator-1", place);
  const second = await runService(t, "allocator-2", place);
  const gateway = await runService(t, "gateway-1", place);
  await Promise.all([healthy("n1", first), healthy("n2", second), healthy("gateway", gateway)]);
  const url = `http://127.0.0.1:${gateway.port}`;

  const metrics = await (await fetch(`http://127.0.0.1:${first.port}/metrics`)).text();
  t.match(metrics, /process_cpu_seconds_total/, "an allocator's metrics");
  const { body: session } = await post(`${url}/v1/sessions`, undefined, "-", {});
  const token = String(session.token);
  const lock = async (key: string, show: string) =>
    post(`${url}/v1/bookings/lock`, token, key, { showtime_id: show, quantity: 1 });
  const locked = await lock("lock-1", shows[0] ?? "");
  t.equal(locked.status, 201, JSON.stringify(locked.body));
  const booked = await post(`${url}/v1/bookings/confirm`, token, "confirm-1", {
    lock_id: locked.body.lock_id,
    payment_token: "pm_card_visa",
  });
  t.match(booked, { status: 200, body: { status: "booked" } }, "paid at the simulator of compose");

  const { rows } = await pg.pool.query<{ name: string; n: number }>(
    `SELECT application_name AS name, count(*)::integer AS n FROM pg_stat_activity
     WHERE application_name LIKE 'usher %' GROUP BY 1`,
  );
  const connectionsOf = (part: RegExp) => rows.filter(({ name }) => part.test(name)).reduce((sum, { n }) => sum + n, 0);
  for (const part of [/ n1$/, / n2$/, /gateway-/]) {
    t.ok(connectionsOf(part) > 0 && connectionsOf(part) <= CONNECTIONS_PER_PART, `${part}: ${connectionsOf(part)}`);
  }

  const exited = new Promise((resolve) => first.child.once("exit", resolve));
  first.child.kill("SIGKILL");
  await exited;
  for (const show of shows) {
    t.equal((await lock(`again-${show}`, show)).status, 201, `${show} is sold by who is left`);
  }

  t.equal(await gateway.stop(), 0);
  t.equal(await second.stop(), 0);
  t.equal(await payments.stop(), 0);
  for (const { said } of [first, second, gateway, payments]) {
    t.notMatch(said(), /permissions? violation|refuses a subscription/i);
    const secrets = Object.values(FILLED_IN).filter((value) => /^p[A-Z]/.test(value));
    t.same(
      secrets.filter((secret) => said().includes(secret)),
      [],
      "no secret is logged",
    );
  }
});
