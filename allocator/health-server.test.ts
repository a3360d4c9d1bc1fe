import t from "tap";
import { createMetrics } from "../shared/platform/metrics.ts";
import { startHealthServer } from "./health-server.ts";

t.test("alive, ready, metrics; nothing else", async (t) => {
  const missing: string[] = ["cluster", "nats"];
  const server = await startHealthServer({
    host: "127.0.0.1",
    port: 0,
    unready: () => missing,
    metrics: createMetrics(),
  });
  t.teardown(() => server.stop());
  const ask = async (path: string, method = "GET") => {
    const response = await fetch(`${server.url}${path}`, { method });
    return { status: response.status, text: await response.text() };
  };
  t.match(await ask("/healthz"), { status: 200, text: '{"status":"ok"}\n' }, "alive while it waits");
  t.match(await ask("/readyz"), { status: 503, text: '{"status":"not_ready","not_ready":["cluster","nats"]}\n' });
  missing.length = 0;
  t.match(await ask("/readyz"), { status: 200, text: '{"status":"ready"}\n' });
  t.match(await ask("/metrics"), { status: 200, text: /process_resident_memory_bytes/ });
  t.match(await ask("/"), { status: 404 });
  t.match(await ask("/healthz", "POST"), { status: 404 });
  t.match(await ask("/healthz", "HEAD"), { status: 200, text: "" });
});

t.test("a metric that throws costs the answer, not the process", async (t) => {
  const metrics = createMetrics();
  metrics.metrics = () => Promise.reject(new Error("broken"));
  const server = await startHealthServer({ host: "127.0.0.1", port: 0, unready: () => [], metrics });
  t.teardown(() => server.stop());
  t.equal((await fetch(`${server.url}/metrics`)).status, 500);
  t.equal((await fetch(`${server.url}/healthz`)).status, 200);
});

t.test("a taken port is said in a sentence; a stop does not wait for a kept connection", async (t) => {
  const options = { host: "127.0.0.1", unready: () => [], metrics: createMetrics() };
  const first = await startHealthServer({ ...options, port: 0 });
  await fetch(`${first.url}/healthz`);
  const port = Number(new URL(first.url).port);
  await t.rejects(startHealthServer({ ...options, port }), { code: "port_taken", message: /HEALTH_PORT/ });
  await first.stop();
  await t.rejects(fetch(`${first.url}/healthz`));
});
