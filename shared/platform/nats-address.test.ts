import t from "tap";
import { parseNatsUrl } from "./nats-address.ts";

const nobody = { user: undefined, password: undefined, token: undefined };

t.test("servers, with or without port and credentials", async (t) => {
  t.same(parseNatsUrl("nats://127.0.0.1"), { servers: [{ host: "127.0.0.1", port: 4222 }], isTls: false, ...nobody });
  t.same(parseNatsUrl("tls://[::1]:5000"), { servers: [{ host: "::1", port: 5000 }], isTls: true, ...nobody });
  t.same(parseNatsUrl("nats://ann:s%40fe@a:1, nats://b:2"), {
    servers: [
      { host: "a", port: 1 },
      { host: "b", port: 2 },
    ],
    isTls: false,
    user: "ann",
    password: "s@fe",
    token: undefined,
  });
  t.match(parseNatsUrl("nats://s3cret@a"), { token: "s3cret", user: undefined });
});

t.test("anything else is none", async (t) => {
  for (const text of [
    "",
    "a:4222",
    "http://a",
    "nats://",
    "nats://a,tls://b",
    "nats://a/path",
    "nats://a?x=1",
    "nats://x:y@a,nats://p:q@b",
    "nats://%zz:y@a",
    "nats://a,",
    Array.from({ length: 17 }, () => "nats://a").join(),
  ]) {
    t.equal(parseNatsUrl(text), undefined, text);
  }
});
