// Goal: what is in deploy/ and compose.yaml fits the specification, the product and the rules of this house, although
// no container is built here. Method: the specification's own JSON schema, then rules of ours, over the files as they
// are and over broken copies of them; imports are followed to see that the image has all that its programs need.

import { existsSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv2019 } from "ajv/dist/2019.js";
import t from "tap";
import ts from "typescript";
import { parse } from "yaml";
import { SETTINGS } from "../../cli/settings.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const read = (path: string): string => readFileSync(`${ROOT}${path}`, "utf8");

interface Service {
  readonly image?: string;
  readonly user?: string;
  readonly read_only?: boolean;
  readonly privileged?: boolean;
  readonly restart?: string;
  readonly stop_grace_period?: string;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test?: readonly string[] };
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const text = read("compose.yaml");
const parsed = (source: string): Compose => parse(source, { merge: true }) as Compose;
const compose = parsed(text);
const services = Object.entries(compose.services);

/** The schema as Ajv wants it: ids in the old form mean nothing to it. */
function compileSchema() {
  const schema = JSON.parse(read("test/house/compose-spec/compose-spec.json"), (key, value: unknown) =>
    (key === "id" || key === "$schema") && typeof value === "string" ? undefined : value,
  ) as object;
  const formats = { duration: true, expose: true, ports: true, subnet_ip_address: true } as const;
  return new Ajv2019({ strict: false, formats, allErrors: true }).compile(schema);
}

const isPinned = (image: string): boolean => /:\d+\.\d+\.\d+(-[a-z0-9.-]+)?$|:\d{2}\.\d+-[a-z0-9.-]+$/.test(image);

/** What this house asks of a service beyond the specification. */
function faultsOf(name: string, service: Service, all: Compose): string[] {
  const { user = "", healthcheck, depends_on = {}, ports = [], volumes = [], environment = {} } = service;
  const [uid = "0"] = user.split(":");
  const named = volumes.map((volume) => volume.split(":")[0] ?? "").filter((source) => /^\w/.test(source));
  const secrets = Object.entries(environment).filter(([key]) => /PASSWORD|SECRET|KEY|_URLS?$|AUTH/.test(key));
  const faults: readonly (readonly [boolean, string])[] = [
    [!isPinned(service.image ?? ""), `image ${service.image} is not pinned`],
    [!/^[1-9]\d*$/.test(uid), `runs as "${user}"`],
    [service.read_only !== true, "may write into its image"],
    [service.privileged === true, "is privileged"],
    [service.cap_drop?.join() !== "ALL", "keeps capabilities"],
    [service.restart !== "unless-stopped", "is not started again"],
    [!/^\d+s$/.test(service.stop_grace_period ?? ""), "has no time to end"],
    [(healthcheck?.test?.length ?? 0) < 2 || healthcheck?.test?.[0] === "NONE", "has no health check"],
    [ports.length > 0 && !name.startsWith("gateway-"), "is open to the outside"],
    [ports.some((port) => !port.startsWith("127.0.0.1:")), "listens beyond this machine without TLS"],
    [volumes.some((volume) => /docker\.sock|^\/(?!\/)/.test(volume)), "mounts the machine's own folders"],
    [named.some((source) => !(source in all.volumes)), "uses a volume that is not named"],
    [Object.keys(depends_on).some((other) => !(other in all.services)), "waits for nobody"],
    [secrets.some(([, value]) => isWritten(String(value))), "has a secret written down"],
  ];
  return faults.filter(([isSo]) => isSo).map(([, what]) => `${name} ${what}`);
}

/** A secret, or an address with a password, that does not come from the environment. */
const isWritten = (value: string): boolean => !/\$\{[A-Z0-9_]+(:\?|:-\}|:-http)/.test(value);

t.test("compose.yaml is what the specification says", async (t) => {
  const validate = compileSchema();
  t.ok(validate(compose), JSON.stringify(validate.errors));
  const broken = [
    text.replace("restart: unless-stopped", "restarts: unless-stopped"),
    text.replace("condition: service_healthy", "condition: service_well"),
    text.replace("read_only: true", "read_only: perhaps"),
    text.replace("services:", "parts:"),
  ];
  for (const copy of broken) t.notOk(copy === text || validate(parsed(copy)));
});

t.test("it has the parts, and each keeps the rules", async (t) => {
  t.same(
    services.map(([name]) => name),
    ["gateway-1", "gateway-2", "allocator-1", "allocator-2", "allocator-3", "payments", "postgres", "nats", "redis"],
  );
  t.same(
    services.flatMap(([name, service]) => faultsOf(name, service, compose)),
    [],
  );
  const broken: readonly (readonly [string, string])[] = [
    ["postgres:17.6-bookworm", "postgres:17"],
    ["redis:7.2.10-alpine", "redis"],
    ['user: "999:999"', 'user: "0:0"'],
    ['user: "65534:65534"', "user: root"],
    ["stop_grace_period: 60s", "x-none: 1"],
    ["PAYMENT_KEY: $" + "{PAYMENT_KEY:?see .env.example}", "PAYMENT_KEY: sk_live_1"],
    ["127.0.0.1:$" + "{GATEWAY_1_PORT:-8080}:8080", "8080:8080"],
    ['"payments:/data"', '"payment:/data"'],
    ["    nats: { condition: service_healthy }", "    gnats: { condition: service_healthy }"],
  ];
  for (const [from, to] of broken) {
    const copy = parsed(text.replaceAll(from, to));
    t.ok(
      text.includes(from) &&
        Object.entries(copy.services).some(([name, each]) => faultsOf(name, each, copy).length > 0),
      `${from} → ${to}`,
    );
  }
});

t.test("it says to usher only what usher reads, and asks for what .env.example names", async (t) => {
  const { version } = JSON.parse(read("package.json")) as { readonly version: string };
  t.match(text, `image: usher:${version}\n`, "the image is this version's");
  for (const [name, { environment = {} }] of services.filter(([, { image }]) => image?.startsWith("usher:"))) {
    for (const key of Object.keys(environment)) t.ok(key in SETTINGS, `${name}: ${key}`);
  }
  const example = read(".env.example");
  const named = [...example.matchAll(/^#?([A-Z0-9_]+)=(.*)$/gm)].map(([, name = "", value = ""]) => ({ name, value }));
  const asked = new Set([...text.matchAll(/\$\{([A-Z0-9_]+)/g)].map(([, name = ""]) => name));
  t.same(named.map(({ name }) => name).sort(), [...asked].sort());
  const needed = new Set([...text.matchAll(/\$\{([A-Z0-9_]+):\?/g)].map(([, name = ""]) => name));
  for (const { name, value } of named) if (needed.has(name)) t.equal(value, "", `${name} has no value known to all`);
  t.ok(read(".gitignore").split("\n").includes(".env"), "what is filled in is nobody's to commit");
});

const COPY = /^COPY ((?:(?!--from)\S+ )+)\S+$/gm;

function copiedByImage(): string[] {
  const [, image = ""] = read("deploy/Dockerfile").split(/^FROM [^\n]*bookworm-slim$/m);
  return [...image.matchAll(COPY)].flatMap(([, sources = ""]) => sources.trim().split(" "));
}

t.test("the image has what its programs need, and no more comes near it", async (t) => {
  const dockerfile = read("deploy/Dockerfile");
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, base = ""]) => base);
  t.ok(bases.length === 2 && bases.every(isPinned), bases.join());
  t.match(dockerfile, /^USER 1000:1000$/m);
  t.notMatch(dockerfile, /^(ARG|ENV) .*(PASSWORD|SECRET|KEY|TOKEN)/m);
  const sources = [...dockerfile.matchAll(COPY)].flatMap(([, each = ""]) => each.trim().split(" "));
  const allowed = new Set(
    read(".dockerignore")
      .split("\n")
      .map((line) => line.replace(/^!/, "")),
  );
  for (const source of sources) {
    t.ok(existsSync(`${ROOT}${source}`), `${source} is there`);
    t.ok(allowed.has(source), `${source} gets past .dockerignore`);
  }
  t.equal(
    read(".dockerignore")
      .split("\n")
      .find((line) => !line.startsWith("#")),
    "*",
    "nothing but what is named",
  );
});

/** All modules that are loaded with these, and the packages they name. */
function reachedFrom(...entries: string[]): { files: ReadonlySet<string>; packages: ReadonlySet<string> } {
  const files = new Set(entries);
  const packages = new Set<string>();
  for (const path of files) {
    if (!path.endsWith(".ts")) continue;
    // Types are gone when it runs.
    const source = read(path).replace(/^(import|export) type [^;]*;/gm, "");
    for (const { fileName } of ts.preProcessFile(source, true, true).importedFiles) {
      if (fileName.startsWith(".")) files.add(posix.join(posix.dirname(path), fileName));
      else if (!isBuiltin(fileName)) packages.add(fileName.split("/", fileName.startsWith("@") ? 2 : 1).join("/"));
    }
  }
  return { files, packages };
}

t.test("every module that its programs load is copied, every package is one of production", async (t) => {
  const { files, packages } = reachedFrom("cli/main.ts", "demo/payment-simulator/main.ts");
  const copied = copiedByImage();
  const isCopied = (path: string): boolean => copied.some((source) => path === source || path.startsWith(`${source}/`));
  t.ok(files.size > 100, `${files.size} modules`);
  t.same(
    [...files].filter((path) => !isCopied(path)),
    [],
  );
  const { dependencies } = JSON.parse(read("package.json")) as { readonly dependencies: Record<string, string> };
  t.ok(packages.has("pg"), "packages are found");
  t.same(
    [...packages].filter((name) => !(name in dependencies)),
    [],
  );
});

/** The subjects a role may publish and subscribe, as deploy/nats.conf has them. */
function permissionsOf(role: string): { readonly publish: string; readonly subscribe: string } {
  const block = read("deploy/nats.conf").split(`user: "${role}"`)[1]?.split("user:")[0] ?? "";
  const list = (what: string): string => new RegExp(`${what}: \\[([^\\]]*)\\]`).exec(block)?.[1] ?? "";
  return { publish: list("publish"), subscribe: list("subscribe") };
}

t.test("each subject of the table in shared/cluster/subjects.ts is allowed to whom it names", async (t) => {
  const rows = [...read("shared/cluster/subjects.ts").matchAll(/^\/\/ \| (usher\.\S+) +\| ([^|]+)\| ([^|]+)\|/gm)];
  t.ok(rows.length >= 6, `${rows.length} rows`);
  const roles: Readonly<Record<string, RegExp>> = {
    gateway: /gateway|who changed it/,
    allocator: /node|who changed the view/,
  };
  for (const [, subject = "", publishers = "", hearers = ""] of rows) {
    const pattern = `"${subject.replace(/<[^>]+>/g, "*")}"`;
    for (const [role, name] of Object.entries(roles)) {
      const { publish, subscribe } = permissionsOf(role);
      t.equal(publish.includes(pattern), name.test(publishers), `${role} publishes ${subject}`);
      t.equal(subscribe.includes(pattern), name.test(hearers), `${role} hears ${subject}`);
    }
  }
});
