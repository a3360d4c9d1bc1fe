// Who runs the server. Postgres refuses to run as root, and wants its data folder to be its user's own.
// R1: an ordinary user runs it directly.
// R2: root runs a folder that somebody else owns as that owner, so that the owner can use it too.
// R3: else root runs it in a user namespace of its own (`unshare -U`): inside it is nobody, to the kernel it is still
//     root, so a folder below a 0700 home stays within reach and every file stays root's.
// R4: where namespaces are forbidden, as in most containers, root gives the folder to `postgres` or `nobody` and runs
//     the server as that user: plainly if it can reach everything, else from a copy of the binaries, else with the one
//     capability that lets it pass 0700 folders.
// Each is tried for real on the very folder before it is chosen.

import { spawnSync } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { userInfo } from "node:os";
import { StartFault } from "../start-fault.ts";
import { type Binaries, copyForOthers } from "./binaries.ts";

const PROBE_TIMEOUT_MS = 10_000;

export interface RunAs {
  readonly binaries: Binaries;
  /** Command and leading arguments to run a program with. */
  commandFor(program: string, args: readonly string[]): { command: string; args: string[] };
  /** The user the child is started as; `undefined` is ours. */
  readonly user: User | undefined;
  /** Whose the files must be, where that is neither. */
  readonly owner?: User;
}

/** Chooses who runs the server in `workDir`, which exists and may be given to another user here. */
export async function chooseRunAs(binaries: Binaries, workDir: string): Promise<RunAs> {
  if (process.getuid?.() !== 0) return asOrdinaryUser(binaries, workDir);
  const owner = await stat(workDir);
  const tried: string[] = [];
  if (owner.uid === 0) {
    const namespaced = inNamespace(binaries);
    const failure = probe(namespaced, workDir);
    if (failure === undefined) return namespaced;
    tried.push(`in a user namespace: ${failure}`);
  }
  const users = owner.uid === 0 ? await serviceUsers() : [{ name: `uid ${owner.uid}`, uid: owner.uid, gid: owner.gid }];
  for (const user of users) {
    if (owner.uid === 0) give(workDir, user);
    for (const way of WAYS) {
      const runAs = await way(binaries, user);
      const failure = probe(runAs, workDir);
      if (failure === undefined) return runAs;
      tried.push(`as ${user.name}: ${failure}`);
    }
  }
  if (owner.uid === 0) give(workDir, { uid: 0, gid: 0 });
  throw new StartFault(
    "run_as_root",
    `Postgres cannot run as root, and no other way worked for ${workDir} (${tried.join("; ")}); ` +
      "start Usher as an ordinary user, or choose a data folder that every user can reach, such as --data /var/lib/usher.",
  );
}

interface User {
  readonly uid: number;
  readonly gid: number;
}

/** How root runs something as another user, the least powerful first. */
const WAYS: readonly ((binaries: Binaries, user: User) => Promise<RunAs>)[] = [
  async (binaries, user) => ({ ...direct(binaries), user }),
  async (binaries, user) => ({ ...direct(await copyForOthers(binaries)), user }),
  // A copy here too: a server looks for itself by access(2), for which capabilities do not count.
  async (binaries, user) => passingFolders(await copyForOthers(binaries), user),
];

function passingFolders(binaries: Binaries, { uid, gid }: User): RunAs {
  const capability = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"];
  const asUser = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", ...capability, "--"];
  return {
    binaries,
    commandFor: (program, args) => ({ command: "setpriv", args: [...asUser, program, ...args] }),
    user: undefined,
    owner: { uid, gid },
  };
}

/** With everything in it: an earlier start may have run in a namespace. */
function give(folder: string, { uid, gid }: User): void {
  spawnSync("chown", ["-R", `${uid}:${gid}`, folder], { stdio: "ignore" });
}

/** Runs a short program to its end. `failure`: why it could not even be started, or was stopped. */
export function runToEnd(runAs: RunAs, program: string, args: readonly string[], timeoutMs: number) {
  const { command, args: all } = runAs.commandFor(program, args);
  return spawnSync(command, all, {
    env: childEnv(runAs.binaries),
    encoding: "utf8",
    timeout: timeoutMs,
    killSignal: "SIGKILL",
    cwd: "/",
    stdio: ["ignore", "pipe", "pipe"],
    ...runAs.user,
  });
}

/** A bare environment: PGDATA, PGPORT, PGOPTIONS or a locale of the caller's must not reach the server. */
export function childEnv(binaries: Binaries): NodeJS.ProcessEnv {
  return {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    LC_ALL: "C",
    TZ: "UTC",
    ...binaries.env,
  };
}

function direct(binaries: Binaries): RunAs {
  return { binaries, commandFor: (program, args) => ({ command: program, args: [...args] }), user: undefined };
}

function inNamespace(binaries: Binaries): RunAs {
  return {
    binaries,
    commandFor: (program, args) => ({ command: "unshare", args: ["-U", "--", program, ...args] }),
    user: undefined,
  };
}

/** Some containers run under a uid without a name, which initdb refuses; in a namespace it is `nobody`. */
function asOrdinaryUser(binaries: Binaries, workDir: string): RunAs {
  const plain = direct(binaries);
  const runAs = hasName() ? plain : inNamespace(binaries);
  const failure = probe(runAs, workDir);
  if (failure === undefined) return runAs;
  const advice = hasName()
    ? "the system lacks something that the Postgres binaries need"
    : `this user (uid ${process.getuid?.()}) has no name in /etc/passwd, which Postgres wants; add one`;
  throw new StartFault("binaries_do_not_run", `The embedded Postgres does not run here: ${failure}; ${advice}.`);
}

function hasName(): boolean {
  try {
    userInfo();
    return true;
  } catch {
    return false;
  }
}

/** `undefined` when binaries and folder are within reach of that user, else why not. */
function probe(runAs: RunAs, workDir: string): string | undefined {
  for (const [program, args] of [
    [runAs.binaries.postgres, ["--version"]],
    [runAs.binaries.initdb, ["--version"]],
    ["sh", ["-c", ': >"$1/.probe" && rm "$1/.probe"', "sh", workDir]],
  ] as const) {
    const result = runToEnd(runAs, program, args, PROBE_TIMEOUT_MS);
    if (result.error !== undefined) return result.error.message;
    if (result.status !== 0) {
      const said = result.stderr.trim().split("\n").at(-1) ?? "";
      return program === "sh" ? `${workDir} is out of its reach` : said || `${program} ended with ${result.status}`;
    }
  }
  return undefined;
}

async function serviceUsers(): Promise<(User & { readonly name: string })[]> {
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const rows = passwd.split("\n").map((line) => line.split(":"));
  return ["postgres", "nobody"].flatMap((wanted) => {
    const row = rows.find(([name]) => name === wanted);
    const [uid, gid] = [Number(row?.[2]), Number(row?.[3])];
    return row !== undefined && uid > 0 && gid > 0 ? [{ name: wanted, uid, gid }] : [];
  });
}
