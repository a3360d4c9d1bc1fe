import t from "tap";
import { fakeGateway, SHOW } from "../fake-gateway.ts";

t.test("alive always, ready only with everything, and not while draining", async (t) => {
  const { ask, problem, allocator, gateway, time } = await fakeGateway();
  t.match(await problem(ask("GET", "/healthz")), { http: 200, status: "ok" });
  t.match(await problem(ask("GET", "/readyz")), { http: 200, status: "ready" });
  allocator.missing = ["payments"];
  const waiting = await ask("GET", "/readyz");
  t.equal(waiting.headers.get("retry-after"), "1");
  t.match(await problem(waiting), { http: 503, code: "not_ready", not_ready: ["payments"] });
  allocator.missing = [];
  await time.pass(1_000);
  gateway.drain();
  t.match(await problem(ask("GET", "/readyz")), { http: 503, not_ready: ["gateway"] });
  t.match(await problem(ask("GET", "/healthz")), { http: 200 });
});

t.test("metrics count by route, never by path", async (t) => {
  const { ask } = await fakeGateway();
  for (const show of [SHOW, "show-2"]) await ask("GET", `/v1/shows/${show}/seatmap`);
  await ask("GET", "/v1/nothing");
  await ask("BREW", "/v1/nothing");
  const response = await ask("GET", "/metrics");
  t.match(response.headers.get("content-type"), /^text\/plain/);
  const text = await response.text();
  const labels = 'method="GET",route="/v1/shows/{show_id}/seatmap",status="200"';
  t.match(text, "# TYPE usher_http_request_seconds histogram");
  t.match(text, `usher_http_request_seconds_count{${labels}} 2`);
  t.match(text, `usher_http_request_seconds_bucket{${labels},le="0.001"} 2`);
  t.match(text, `usher_http_request_seconds_bucket{${labels},le="+Inf"} 2`);
  t.match(text, 'usher_http_request_seconds_count{method="ANY",route="(none)",status="404"} 2');
  t.match(text, "usher_seat_views 2");
  t.notMatch(text, /show-2|nothing|BREW/);
});

t.test("a session for anybody", async (t) => {
  const { ask, problem, time } = await fakeGateway();
  const started = await problem(ask("POST", "/v1/sessions", { token: "", key: "" }));
  t.match(started, { http: 201, session_id: /^[\w-]{22}$/, token: /^[\w.-]+$/ });
  t.equal(started.expires_at, new Date(time.now() + 24 * 3_600_000).toISOString());
  const token = String(started.token);
  t.match(await problem(ask("GET", "/v1/bookings", { token })), { http: 200 });
  await time.pass(24 * 3_600_000);
  t.match(await problem(ask("GET", "/v1/bookings", { token })), { http: 401 }, "verified once, and over all the same");
  t.match(await problem(ask("POST", "/v1/sessions", { body: { admin: true } })), {
    http: 422,
    errors: [{ field: "admin" }],
  });
});

t.test("the bare address leads to the docs", async (t) => {
  const { ask } = await fakeGateway();
  for (const path of ["/", "/docs/"]) {
    const response = await ask("GET", path, { token: "" });
    t.match([response.status, response.headers.get("location")], [302, "/docs"], path);
    t.equal(await response.text(), "");
  }
});

t.test("the docs are local, and nothing else of the disk is", async (t) => {
  const { ask } = await fakeGateway();
  const page = await ask("GET", "/docs");
  t.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  t.match(page.headers.get("content-security-policy"), /default-src 'none'; script-src 'self'/);
  const text = await page.text();
  t.notMatch(text, /https?:\/\//, "no network");
  const files = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path]) => String(path));
  t.equal(files.length, 4);
  for (const file of files) t.equal((await ask("GET", file)).status, 200, file);
  for (const file of ["package.json", "..%2fpackage.json", "constructor", "__proto__"]) {
    t.equal((await ask("GET", `/docs/${file}`)).status, 404, file);
  }
});

t.test("the OpenAPI document describes every route", async (t) => {
  const { ask } = await fakeGateway();
  const response = await ask("GET", "/openapi.json");
  const document = (await response.json()) as { openapi: string; paths: Record<string, Record<string, unknown>> };
  t.equal(document.openapi, "3.1.0");
  const routes = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method} ${path}`),
  );
  const wanted = [
    "post /v1/sessions",
    "post /v1/bookings/lock",
    "post /v1/bookings/lock/{lock_id}/extend",
    "delete /v1/bookings/lock/{lock_id}",
    "post /v1/bookings/confirm",
    "get /v1/bookings",
    "get /v1/bookings/{booking_id}",
    "post /v1/shows/{show_id}/waitlist",
    "get /v1/waitlist/{waiter_id}",
    "patch /v1/waitlist/{waiter_id}",
    "delete /v1/waitlist/{waiter_id}",
    "post /v1/waitlist/{waiter_id}/offer/accept",
    "post /v1/waitlist/{waiter_id}/offer/decline",
    "get /v1/shows/{show_id}/seatmap",
    "get /v1/shows/{show_id}/seatmap/stream",
    "post /v1/admin/shows/{show_id}/block",
    "post /v1/admin/shows/{show_id}/unblock",
    "get /v1/admin/shows/{show_id}/log",
    "get /healthz",
    "get /readyz",
    "get /metrics",
  ];
  for (const route of wanted) t.ok(routes.includes(route), route);
  const lock = document.paths["/v1/bookings/lock"]?.post;
  t.match(lock, {
    parameters: [{ name: "X-Idempotency-Key", in: "header", required: true }],
    responses: { 201: {}, 409: { description: /`seats_taken`/ }, 422: { description: /`validation_failed`/ } },
    security: [{ session: [] }],
  });
  t.match(document.paths["/v1/shows/{show_id}/waitlist"]?.post, {
    responses: {
      201: { headers: { Location: {} } },
      409: { description: /`seats_available`, `show_full`, `already_waiting`/ },
      503: { description: /`waitlist_full`/ },
    },
  });
  t.match(document.paths["/v1/waitlist/{waiter_id}/offer/accept"]?.post, {
    requestBody: { required: false },
    responses: { 201: {}, 409: { description: /`no_offer`/ }, 410: {}, 422: { description: /`wrong_swap`/ } },
  });
});

interface Described {
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly properties?: Readonly<Record<string, Described>>;
  readonly anyOf?: readonly Described[];
}

t.test("the OpenAPI document says what a newcomer must know", async (t) => {
  const { ask } = await fakeGateway();
  const document = (await (await ask("GET", "/openapi.json")).json()) as {
    readonly info: { readonly description: string };
    readonly paths: Record<string, Record<string, { parameters: { name: string; description?: string }[] }>>;
    readonly components: { readonly schemas: Readonly<Record<string, Described>> };
  };
  const { schemas } = document.components;
  const problem = schemas.Problem?.properties ?? {};
  for (const name of ["waiter_id", "waiter_state", "stranded", "lock_id", "held", "seats"]) {
    t.ok(problem[name]?.description, name);
  }
  for (const code of ["waitlist_active", "offer_lapsed", "show_full", "validation_failed", "method_not_allowed"]) {
    t.ok(problem.code?.enum?.includes(code), code);
    t.match(problem.code?.description, code);
  }
  const { state } = schemas.Waiter?.properties ?? {};
  t.equal(state?.enum?.length, 10);
  for (const each of state?.enum ?? []) t.match(state?.description, `\`${each}\`: `);
  const byNumber = schemas.LockRequest?.anyOf?.find(({ properties }) => properties?.quantity !== undefined);
  for (const request of [schemas.JoinRequest, byNumber]) {
    for (const name of ["accessible", "contiguous"]) {
      const found = request?.properties?.[name];
      t.match([found?.default, typeof found?.description], [false, "string"], name);
    }
  }
  for (const path of ["/v1/waitlist/{waiter_id}", "/v1/bookings/{booking_id}"]) {
    const { parameters = [] } = document.paths[path]?.get ?? {};
    for (const name of ["wait", "after"]) t.match(parameters.find((each) => each.name === name)?.description, /.{20}/);
  }
  for (const path of ["/v1/bookings/lock", "/v1/waitlist/{waiter_id}/offer/accept"]) {
    t.match(document.paths[path]?.post, { responses: { 201: { headers: { Location: {} } } } });
  }
  t.match(schemas.SeatMap?.properties?.counts?.description, /waitlist_active/);
  t.match(document.info.description, /405/);
});
