// Goal: a program that is there is found, one that is not is installed by whoever may, and everybody else is told how.

import t from "tap";
import { silentLog } from "../log.ts";
import { findProgram, type Machine, NATS_PROGRAM, type Ran, REDIS_PROGRAM, thisMachine } from "./find-program.ts";

const log = silentLog();

/** A machine whose package manager answers as told; the program is there once it was installed. */
function machine(options: Partial<Machine> & { readonly has: readonly string[]; readonly answers?: readonly Ran[] }) {
  const ran: string[] = [];
  const has = new Set(options.has);
  const answers = [...(options.answers ?? [])];
  const fake: Machine = {
    platform: "linux",
    isRoot: true,
    find: async (program) => (has.has(program) ? `/somewhere/${program}` : undefined),
    async run(program, args) {
      ran.push([program, ...args.filter((arg) => !/^-|=/.test(arg))].join(" "));
      const answer = answers.shift() ?? { ok: true, said: "" };
      if (answer.ok && args[0] === "install") has.add("nats-server").add("redis-server");
      return answer;
    },
    ...options,
  };
  return { fake, ran };
}

t.test("found: nothing is run", async (t) => {
  const { fake, ran } = machine({ has: ["nats-server", "apt-get"] });
  t.equal(await findProgram(NATS_PROGRAM, log, fake), "/somewhere/nats-server");
  t.same(ran, []);
});

t.test("root on Debian installs it; lists that do not know it are fetched first", async (t) => {
  const simple = machine({ has: ["apt-get"] });
  t.equal(await findProgram(NATS_PROGRAM, log, simple.fake), "/somewhere/nats-server");
  t.same(simple.ran, ["apt-get install nats-server"]);
  const bare = machine({
    has: ["apt-get"],
    answers: [{ ok: false, said: "E: Unable to locate package redis-server" }],
  });
  t.equal(await findProgram(REDIS_PROGRAM, log, bare.fake), "/somewhere/redis-server");
  t.same(bare.ran, ["apt-get install redis-server", "apt-get update", "apt-get install redis-server"]);
});

t.test("macOS installs it with brew", async (t) => {
  const { fake, ran } = machine({ platform: "darwin", isRoot: false, has: ["brew"] });
  t.equal(await findProgram(REDIS_PROGRAM, log, fake), "/somewhere/redis-server");
  t.same(ran, ["brew install redis"]);
});

t.test("who may not install is told what to do", async (t) => {
  const { fake, ran } = machine({ isRoot: false, has: ["apt-get"] });
  await t.rejects(findProgram(NATS_PROGRAM, log, fake), {
    name: "StartFault",
    code: "server_missing",
    message: /^nats-server is not on this machine: install it \(.*apt-get install nats-server.* NATS_URL\.$/,
  });
  t.same(ran, []);
  const failed = { ok: false, said: "Reading…\nE: Could not resolve 'deb.example'\nE: more" };
  const offline = machine({ has: ["apt-get"], answers: [failed, failed, failed] });
  await t.rejects(findProgram(NATS_PROGRAM, log, offline.fake), { message: /failed \(E: Could not resolve/ });
});

t.test("this machine: a program of the shell's path, and none", async (t) => {
  t.match(await thisMachine().find("sh"), /^\/.*\/sh$/);
  t.equal(await thisMachine().find("no-such-program-at-all"), undefined);
  t.match(await thisMachine().run("sh", ["-c", "echo out; echo err >&2; exit 3"]), { ok: false, said: "out\nerr\n" });
});
