import { z } from "@hono/zod-openapi";
import { pino } from "pino";
import { Registry } from "prom-client";
import t from "tap";
import { silentLog } from "../shared/platform/log.ts";
import { createGateway } from "./app.ts";
import { json } from "./http/answer.ts";
import { type Endpoint, endpoint } from "./http/endpoint.ts";
import { Sessions } from "./http/session.ts";

const clock = { now: () => 1_800_000_000_000 };

function appOf(...endpoints: Endpoint[]) {
  const sessions = new Sessions({ sessionKey: new Uint8Array(32).fill(7), clock });
  const { app } = createGateway({
    endpoints,
    sessions,
    log: silentLog(),
    metrics: new Registry(),
    clock,
    version: "0",
  });
  return { app, sessions };
}

const echo = endpoint({
  method: "post",
  path: "/v1/echo/{name}",
  tag: "test",
  summary: "Echo",
  access: "public",
  idempotent: false,
  params: z.object({ name: z.string().regex(/^[a-z]+$/) }),
  query: z.object({ n: z.string().optional() }),
  body: { schema: z.strictObject({ text: z.string(), count: z.int().optional() }) },
  answers: { 200: { description: "the same" } },
  problems: [],
  handle: ({ params, query, body }) => json(200, { ...params, ...query, ...body }),
});

const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) => ({
  method: "POST",
  body,
  headers: { "content-type": "application/json", ...headers },
});

t.test("an endpoint gets checked input and answers with the headers everybody gets", async (t) => {
  const { app } = appOf(echo);
  const response = await app.request("/v1/echo/ann?n=1", post('{"text":"hé"}'));
  t.equal(response.status, 200);
  t.same(await response.json(), { name: "ann", n: "1", text: "hé" });
  t.equal(response.headers.get("x-content-type-options"), "nosniff");
  t.equal(response.headers.get("cache-control"), "no-store");
  t.match(response.headers.get("x-request-id"), /^[\w-]+-1$/);
});

t.test("bad bodies are refused with the field's name", async (t) => {
  const { app } = appOf(echo);
  const cases: [name: string, body: string | Uint8Array<ArrayBuffer>, status: number, code: string, field: string][] = [
    ["malformed", "{", 400, "malformed_json", "body"],
    ["no body", "", 422, "validation_failed", "body"],
    ["not UTF-8", new Uint8Array([0x22, 0xff, 0x22]), 400, "malformed_json", "body"],
    ["wrong type", '{"text":1}', 422, "validation_failed", "text"],
    ["not an object", "[]", 422, "validation_failed", "body"],
    ["missing", "{}", 422, "validation_failed", "text"],
    ["unknown", '{"text":"","other":1}', 422, "validation_failed", "other"],
    ["prototype", '{"text":"","__proto__":{"count":1}}', 422, "validation_failed", "__proto__"],
    ["1e400", '{"text":"","count":1e400}', 422, "validation_failed", "count"],
    ["NUL", '{"text":"a\\u0000"}', 422, "validation_failed", "text"],
    ["lone surrogate", '{"text":"\\ud800"}', 422, "validation_failed", "text"],
    ["NUL in a name", '{"a\\u0000":1}', 422, "validation_failed", "(a field's name)"],
    ["17 KiB", JSON.stringify({ text: "x".repeat(17 * 1024) }), 413, "body_too_large", "body"],
    ["deep", `{"text":"\\u0041","x":${"[".repeat(8000)}${"]".repeat(8000)}}`, 422, "validation_failed", ""],
    ["deep, no escape", `${"[".repeat(8000)}${"]".repeat(8000)}`, 422, "validation_failed", "body"],
  ];
  for (const [name, body, status, code, field] of cases) {
    const response = await app.request("/v1/echo/ann", post(body));
    const problem = (await response.json()) as { status: number; code: string; errors: { field: string }[] };
    t.match({ http: response.status, ...problem }, { http: status, status, code }, name);
    t.ok(problem.errors[0]?.field.startsWith(field), `${name}: ${problem.errors[0]?.field}`);
    t.equal(response.headers.get("content-type"), "application/problem+json", name);
  }
});

t.test("an escape that is a whole character is welcome", async (t) => {
  const { app } = appOf(echo);
  const response = await app.request("/v1/echo/ann", post('{"text":"\\ud83c\\udfac \\u00e9"}'));
  t.match(await response.json(), { text: "🎬 é" });
});

t.test("wrong content type, unknown route, wrong method, malformed parameter, doubled query", async (t) => {
  const { app } = appOf(echo);
  const type = await app.request("/v1/echo/ann", post("{}", { "content-type": "text/plain" }));
  t.equal(type.status, 415);
  const encoded = await app.request("/v1/echo/ann", post("{}", { "content-encoding": "gzip" }));
  t.match(
    [encoded.status, await encoded.json()],
    [415, { code: "unsupported_media_type", errors: [{ field: "Content-Encoding" }] }],
  );
  const plain = await app.request("/v1/echo/ann", post('{"text":""}', { "content-encoding": "Identity" }));
  t.equal(plain.status, 200);
  const none = await app.request("/v1/nothing");
  t.match([none.status, await none.json()], [404, { code: "not_found" }]);
  const method = await app.request("/v1/echo/ann");
  t.match(
    [method.status, method.headers.get("allow"), await method.json()],
    [405, "POST", { code: "method_not_allowed" }],
  );
  const options = await app.request("/v1/echo/ann", { method: "OPTIONS" });
  t.match([options.status, options.headers.get("allow")], [204, "POST"]);
  const param = await app.request("/v1/echo/ANN", post('{"text":""}'));
  t.match([param.status, await param.json()], [404, { code: "not_found" }]);
  const twice = await app.request("/v1/echo/ann?n=1&n=2", post('{"text":""}'));
  t.match([twice.status, await twice.json()], [422, { errors: [{ field: "n" }] }]);
  const nul = await app.request("/v1/echo/ann?n=%00", post('{"text":""}'));
  t.match([nul.status, await nul.json()], [422, { errors: [{ field: "n" }] }]);
  const proto = await app.request("/v1/echo/ann?__proto__=1&other=2", post('{"text":""}'));
  t.equal(proto.status, 200);
});

t.test("what a handler throws is a 500 without a word of it; the store away is a 503", async (t) => {
  const throwing = (path: string, error: unknown) =>
    endpoint({
      method: "get",
      path,
      tag: "test",
      summary: "Throws",
      access: "public",
      idempotent: false,
      answers: {},
      problems: [],
      handle: () => {
        throw error;
      },
    });
  const { app } = appOf(
    throwing("/bug", new Error("secret detail")),
    throwing("/away", Object.assign(new Error("connect"), { code: "ECONNREFUSED" })),
  );
  const bug = await app.request("/bug", { headers: { "x-request-id": "mine-1" } });
  const text = await bug.text();
  t.equal(bug.status, 500);
  t.notMatch(text, "secret");
  t.match(JSON.parse(text), { code: "internal_error", request_id: "mine-1", instance: "/bug", retryable: true });
  const away = await app.request("/away");
  t.match([away.status, await away.json()], [503, { code: "store_unavailable" }]);
  t.equal(away.headers.get("retry-after"), "2");
});

t.test("bugs are logged with the request's id, refusals are not, slow ones once a second", async (t) => {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line)) });
  let nowMs = 1_800_000_000_000;
  const answering = (path: string, handle: Endpoint["handle"], patient?: true) =>
    endpoint({
      method: "get",
      path,
      tag: "test",
      summary: "Answers",
      access: "public",
      idempotent: false,
      answers: {},
      problems: [],
      handle,
      ...(patient === undefined ? {} : { patient }),
    });
  const take = (ms: number) => () => {
    nowMs += ms;
    return json(200, {});
  };
  const throws = () => {
    throw new Error("broken");
  };
  const { app } = createGateway({
    endpoints: [
      answering("/bug", throws),
      answering("/slow", take(1_001)),
      answering("/late", take(500)),
      answering("/poll", take(30_000), true),
    ],
    sessions: new Sessions({ sessionKey: new Uint8Array(32), clock }),
    log,
    metrics: new Registry(),
    clock: { now: () => nowMs },
    version: "0",
  });
  await app.request("/nothing");
  await app.request("/late");
  await app.request("/poll");
  t.same(lines, []);
  await app.request("/bug?secret=1", { headers: { "x-request-id": "mine" } });
  t.match(lines.pop(), { level: 50, requestId: "mine", path: "/bug", status: 500, err: { message: "broken" } });
  await app.request("/slow");
  t.match(lines, [{ level: 30, path: "/slow", tookMs: 1_001, unlogged: 0 }]);
  nowMs -= 1_001;
  for (let i = 0; i < 3; i += 1) {
    await app.request("/slow");
    nowMs -= 1_001;
  }
  t.equal(lines.length, 1);
  nowMs += 1_001;
  await app.request("/slow");
  t.match(lines[1], { path: "/slow", unlogged: 3 });
});

t.test("a sane X-Request-Id is kept, another one replaced", async (t) => {
  const { app } = appOf(echo);
  const kept = await app.request("/x", { headers: { "x-request-id": "a.B_c-1" } });
  t.equal(kept.headers.get("x-request-id"), "a.B_c-1");
  const replaced = await app.request("/x", { headers: { "x-request-id": "no spaces please" } });
  t.not(replaced.headers.get("x-request-id"), "no spaces please");
});

t.test("sessions and scopes", async (t) => {
  const whoami = (path: string, access: "session" | "admin" | "gate") =>
    endpoint({
      method: "get",
      path,
      tag: "test",
      summary: "Who",
      access,
      idempotent: false,
      answers: {},
      problems: [],
      handle: ({ session }) => json(200, { id: session.id }),
    });
  const { app, sessions } = appOf(whoami("/me", "session"), whoami("/admin", "admin"), whoami("/gate", "gate"));
  const get = (path: string, token?: string) =>
    app.request(path, token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } });
  const mine = await sessions.issueAnonymous();
  const admin = await sessions.issue({ id: mine.session.id, scopes: ["admin"], ttlS: 60 });
  const none = await get("/me");
  t.match([none.status, await none.json()], [401, { code: "unauthorized" }]);
  t.match(none.headers.get("www-authenticate"), /^Bearer/);
  for (const _ of ["verified", "from the cache"]) {
    t.same(await (await get("/me", mine.token)).json(), { id: mine.session.id });
    t.equal((await get("/admin", mine.token)).status, 403);
    t.equal((await get("/admin", admin.token)).status, 200);
    t.equal((await get("/gate", admin.token)).status, 200);
  }
  t.equal((await get("/me", `${mine.token}x`)).status, 401);
});

t.test("the OpenAPI document says 3.1 and lists the problems", async (t) => {
  const { app } = appOf(echo);
  const document = (await (await app.request("/openapi.json")).json()) as { openapi: string; paths: object };
  t.equal(document.openapi, "3.1.0");
  t.match(document.paths, {
    "/v1/echo/{name}": { post: { responses: { 422: { description: /validation_failed/ } } } },
  });
});
