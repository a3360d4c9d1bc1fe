import { SignJWT } from "jose";
import t from "tap";
import type { SessionId } from "../../shared/kernel/ids.ts";
import { bearerOf, Sessions } from "./session.ts";

const KEY = new Uint8Array(32).fill(7);
const clock = { nowMs: 1_800_000_000_000, now: () => clock.nowMs };
const NOW_S = clock.nowMs / 1000;

function signed(change: { claims?: object; alg?: string; key?: Uint8Array } = {}): Promise<string> {
  const claims = { sub: "ann", scope: "", iss: "usher", aud: "usher", iat: NOW_S, exp: NOW_S + 60, ...change.claims };
  return new SignJWT(claims).setProtectedHeader({ alg: change.alg ?? "HS256" }).sign(change.key ?? KEY);
}

t.test("what was issued is verified, with its scopes", async (t) => {
  const sessions = new Sessions({ sessionKey: KEY, clock });
  const { token } = await sessions.issue({ id: "ann" as SessionId, scopes: ["admin", "gate"], ttlS: 60 });
  t.equal(sessions.recall(token), undefined, "not before it was verified once");
  t.match(await sessions.verify(token), { id: "ann", scopes: ["admin", "gate"], expiresAtS: NOW_S + 60 });
  t.match(sessions.recall(token), { id: "ann" });
  const [one, two] = await Promise.all([sessions.issueAnonymous(), sessions.issueAnonymous()]);
  t.not(one.session.id, two.session.id);
  t.same(one.session.scopes, []);
});

t.test("a token is over at its second, in the cache too", async (t) => {
  const sessions = new Sessions({ sessionKey: KEY, clock });
  const { token } = await sessions.issue({ id: "ann" as SessionId, scopes: [], ttlS: 60 });
  await sessions.verify(token);
  clock.nowMs += 59_999;
  t.ok(sessions.recall(token));
  clock.nowMs += 1;
  t.equal(sessions.recall(token), undefined);
  t.equal(await sessions.verify(token), undefined);
  clock.nowMs -= 60_000;
});

t.test("anything that was not signed as ours is nobody", async (t) => {
  const sessions = new Sessions({ sessionKey: KEY, clock });
  t.ok(await sessions.verify(await signed()), "the one they are all derived from");
  const [head = "", body = "", mac = ""] = (await signed()).split(".");
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  const admin = Buffer.from(Buffer.from(body, "base64url").toString().replace('""', '"admin"')).toString("base64url");
  const tokens: Record<string, string> = {
    "no algorithm": `${none}.${body}.`,
    "no algorithm, with a mac": `${none}.${body}.${mac}`,
    "other claims": `${head}.${admin}.${mac}`,
    "no mac": `${head}.${body}.`,
    "two parts": `${head}.${body}`,
    nothing: "",
    "another algorithm": await signed({ alg: "HS512", key: new Uint8Array(64).fill(7) }),
    "another key": await signed({ key: new Uint8Array(32).fill(8) }),
    "another issuer": await signed({ claims: { iss: "other" } }),
    "another audience": await signed({ claims: { aud: "other" } }),
    "no subject": await signed({ claims: { sub: undefined } }),
    "an empty subject": await signed({ claims: { sub: "" } }),
    "a subject with NUL": await signed({ claims: { sub: "a\0" } }),
    "a long subject": await signed({ claims: { sub: "a".repeat(65) } }),
    "no expiry": await signed({ claims: { exp: undefined } }),
    "no time of issue": await signed({ claims: { iat: undefined } }),
    expired: await signed({ claims: { exp: NOW_S } }),
    "too long": await signed({ claims: { more: "x".repeat(3_000) } }),
  };
  for (const [name, token] of Object.entries(tokens)) t.equal(await sessions.verify(token), undefined, name);
});

t.test("scopes we do not know mean nothing", async (t) => {
  const sessions = new Sessions({ sessionKey: KEY, clock });
  t.same((await sessions.verify(await signed({ claims: { scope: "gate root Admin" } })))?.scopes, ["gate"]);
  t.same((await sessions.verify(await signed({ claims: { scope: ["admin"] } })))?.scopes, []);
});

t.test("bearer tokens and what is none", async (t) => {
  t.equal(bearerOf("Bearer a.b.c"), "a.b.c");
  t.equal(bearerOf("bearer  a.b.c "), "a.b.c");
  for (const header of ["Basic a", "Bearer", "Bearer ", "a.b.c", ""]) t.equal(bearerOf(header), undefined, header);
});
