import { readFileSync } from "node:fs";
import t from "tap";
import { readConfig } from "./config.ts";
import { configurationMarkdown } from "./configuration-page.ts";
import { SETTINGS } from "./settings.ts";

t.test("an allocator answers probes only where it is told to", async (t) => {
  t.equal(readConfig({}).healthPort, undefined);
  t.equal(readConfig({ HEALTH_PORT: "0" }).healthPort, 0);
  t.throws(() => readConfig({ HEALTH_PORT: "65536" }), { message: /HEALTH_PORT must be a whole number/ });
});

t.test("nothing said: the defaults of the specification", async (t) => {
  const config = readConfig({});
  t.match(config, {
    port: 8080,
    host: "127.0.0.1",
    dataDir: `${process.cwd()}/.usher`,
    databaseUrl: undefined,
    payment: { kind: "simulator" },
    holdTtlMs: 300_000,
    holdGraceMs: 5_000,
    payTtlMs: 120_000,
    offerTtlMs: 120_000,
    cancelUntilMs: 3_600_000,
    releaseOnDecline: true,
    logLevel: "info",
  });
  t.ok(Object.isFrozen(config));
});

t.test("an empty variable counts as absent", async (t) => {
  t.equal(readConfig({ PORT: "", HOLD_TTL_S: "" }).port, 8080);
});

t.test("every mistake is named, all at once", async (t) => {
  const bad = {
    PORT: "65536",
    HOST: "not a host",
    DATABASE_URLS: "mysql://u:secret@h/d",
    PAYMENT_URL: "ftp://x",
    PAYMENT_KEY: "a b",
    PAYMENT_WEBHOOK_SECRET: "whsec_1,,whsec_secret",
    PAYMENT_LOOKUP_AFTER_S: "86400",
    HOLD_TTL_S: "0",
    HOLD_GRACE_S: "61",
    PAY_TTL_S: "1e2",
    OFFER_TTL_S: "-1",
    RELEASE_ON_DECLINE: "yes please",
    BOOKING_ATTEMPTS_PER_MIN: "many",
    LOG_LEVEL: "loud",
    AUTH_JWKS_URL: "https://issuer/keys",
  };
  try {
    readConfig(bad);
    t.fail("accepted");
  } catch (error) {
    t.match(error, { code: "config" });
    const message = error instanceof Error ? error.message : "";
    t.same(
      message
        .split("\n")
        .map((line) => line.split(" ")[0])
        .sort(),
      Object.keys(bad).sort(),
    );
    t.notMatch(message, "secret", "a value that may hold a password is not repeated");
  }
});

t.test("boundaries", async (t) => {
  for (const [name, low, high] of [
    ["PORT", 0, 65_535],
    ["HOLD_TTL_S", 1, 3_600],
    ["HOLD_GRACE_S", 0, 60],
    ["PAY_TTL_S", 1, 600],
    ["OFFER_TTL_S", 1, 3_600],
    ["BOOKING_ATTEMPTS_PER_MIN", 0, 1_000_000],
  ] as const) {
    for (const good of [low, high]) t.doesNotThrow(() => readConfig({ [name]: String(good) }), `${name}=${good}`);
    for (const bad of [low - 1, high + 1, `${low}.5`, "0x1", " 1"]) {
      t.throws(() => readConfig({ [name]: String(bad) }), { code: "config" }, `${name}=${bad}`);
    }
  }
});

t.test("payments", async (t) => {
  t.same(readConfig({ PAYMENT_URL: "instant:" }).payment, { kind: "instant" });
  const web = { PAYMENT_URL: "https://api.stripe.com" };
  t.same(readConfig({}).paymentWebhookSecrets, []);
  t.same(readConfig({ PAYMENT_WEBHOOK_SECRET: "new, old" }).paymentWebhookSecrets, ["new", "old"]);
  t.throws(() => readConfig({ PAYMENT_WEBHOOK_SECRET: "1,2,3,4,5,6" }), /PAYMENT_WEBHOOK_SECRET names 6 secrets/);
  t.same(readConfig({ ...web, PAYMENT_KEY: "sk" }).payment, { kind: "http", url: "https://api.stripe.com" });
  t.throws(() => readConfig(web), { code: "config", message: /^PAYMENT_KEY is needed/ });
});

t.test("one database server, or the embedded one", async (t) => {
  const url = "postgresql://u:p@127.0.0.1/d";
  t.equal(readConfig({ DATABASE_URLS: url }).databaseUrl, url);
  t.throws(() => readConfig({ DATABASE_URLS: `${url},${url}` }), { message: /names 2 servers/ });
});

t.test("webhooks", async (t) => {
  t.equal(readConfig({}).webhooks, undefined);
  const key = Buffer.alloc(32, 7);
  const env = { WEBHOOK_URLS: "https://a.example/hook", WEBHOOK_SECRET: `whsec_${key.toString("base64")}` };
  t.match(readConfig({ ...env, WEBHOOK_EVENTS: "hold.*", WEBHOOK_GIVE_UP_S: "60" }).webhooks, {
    endpoints: [{ url: "https://a.example/hook" }],
    keys: [key],
    types: ["hold.placed", "hold.extended", "hold.released", "hold.expired"],
    giveUpMs: 60_000,
  });
  t.throws(() => readConfig({ WEBHOOK_URLS: env.WEBHOOK_URLS }), {
    message: /^WEBHOOK_SECRET is needed by WEBHOOK_URLS\.$/,
  });
  const bad = {
    WEBHOOK_URLS: "ftp://u:hidden@h https://u:%hidden@h",
    WEBHOOK_SECRET: "whsec_hidden",
    WEBHOOK_EVENTS: "booking.confirm",
    WEBHOOK_GIVE_UP_S: "59",
  };
  try {
    readConfig(bad);
    t.fail("accepted");
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    t.same(
      message.split("\n").map((line) => line.split(" ")[0]),
      Object.keys(bad),
    );
    t.match(message, /address 1 does not begin with .*; address 2 has a user or password/);
    t.match(message, 'knows no event "booking.confirm" (did you mean "booking.confirmed"?).');
    t.notMatch(message, "hidden");
  }
});

t.test("flags go over the environment, and are bad usage rather than bad configuration", async (t) => {
  const config = readConfig({ PORT: "1", USHER_DATA: "/there" }, { port: "2", data: "/here" });
  t.match(config, { port: 2, dataDir: "/here" });
  t.throws(() => readConfig({ PORT: "1" }, { port: "x" }), { code: "usage", message: /^--port must be/ });
});

t.test("the documentation says what the code does", async (t) => {
  const page = new URL("../docs/CONFIGURATION.md", import.meta.url);
  t.equal(readFileSync(page, "utf8"), configurationMarkdown(), 'run "npm run docs:configuration"');
  for (const [key, { name }] of Object.entries(SETTINGS)) t.equal(key, name);
});

t.test("mail", async (t) => {
  t.match(readConfig({}), { smtp: undefined, mailFrom: undefined, mailRatePerS: 10 });
  t.match(readConfig({ SMTP_URL: "smtps://u:p%40ss@mail.example", MAIL_FROM: "Roxy <tickets@roxy.example>" }), {
    smtp: { host: "mail.example", port: 465, isTlsFirst: true, login: { user: "u", pass: "p@ss" } },
    mailFrom: { name: "Roxy", address: "tickets@roxy.example" },
  });
  t.throws(() => readConfig({ SMTP_URL: "smtp://mail.example" }), { message: /^MAIL_FROM is needed by SMTP_URL\.$/ });
  const wrong = { SMTP_URL: "smtp://u:hidden@mail.example?x", MAIL_FROM: "Roxy", MAIL_RATE_PER_S: "0" };
  try {
    readConfig(wrong);
    t.fail("accepted");
  } catch (error) {
    const message = error instanceof Error ? error.message : "";
    t.same(
      message
        .split("\n")
        .map((line) => line.split(" ")[0])
        .sort(),
      Object.keys(wrong).sort(),
    );
    t.notMatch(message, "hidden");
  }
});
