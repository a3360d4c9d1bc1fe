// Who runs the server. Postgres refuses to run as root, and wants its data folder to be its user's own.
// R1: an ordinary user runs it directly.
// R2: root runs a folder that somebody else owns as that owner, so that the owner can use it too.
// R3: else root runs it in a user namespace of its own (`unshare -U`): inside it is nobody, to the kernel it is still
//     root, so a folder below a 0700 home stays within reach and every file stays root's.
// R4: where namespaces are forbidden, root runs a copy of the binaries as `postgres` or `nobody`, if that user can
//     reach the folder.
// Each is tried for real on the very folder before it is chosen.

import { spawnSync } from "node:child_process";
import { chown, readFile, stat } from "node:fs/promises";
import { userInfo } from "node:os";
import { StartFault } from "../start-fault.ts";
import { type Binaries, copyForOthers } from "./binaries.ts";

const PROBE_TIMEOUT_MS = 10_000;

export interface RunAs {
  readonly binaries: Binaries;
  /** Command and leading arguments to run a program with. */
  commandFor(program: string, args: readonly string[]): { command: string; args: string[] };
  /** The user the child becomes; `undefined` is ours. */
  readonly user: { readonly uid: number; readonly gid: number } | undefined;
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
  const copied = await copyForOthers(binaries);
  const others =
    owner.uid === 0 ? await serviceUsers() : [{ name: `uid ${owner.uid}`, uid: owner.uid, gid: owner.gid }];
  for (const { name, uid, gid } of others) {
    if (owner.uid === 0) await chown(workDir, uid, gid);
    const runAs = { ...direct(copied), user: { uid, gid } };
    const failure = probe(runAs, workDir);
    if (failure === undefined) return runAs;
    if (owner.uid === 0) await chown(workDir, 0, 0);
    tried.push(`as ${name}: ${failure}`);
  }
  throw new StartFault(
    "run_as_root",
    `Postgres cannot run as root, and no other way worked for ${workDir} (${tried.join("; ")}); ` +
      "start Usher as an ordinary user, or choose a data folder that every user can reach, such as --data /var/lib/usher.",
  );
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
    ["test", ["-w", workDir, "-a", "-x", workDir]],
  ] as const) {
    const result = runToEnd(runAs, program, args, PROBE_TIMEOUT_MS);
    if (result.error !== undefined) return result.error.message;
    if (result.status !== 0) {
      const said = result.stderr.trim().split("\n").at(-1) ?? "";
      return program === "test" ? `${workDir} is out of its reach` : said || `${program} ended with ${result.status}`;
    }
  }
  return undefined;
}

async function serviceUsers(): Promise<{ name: string; uid: number; gid: number }[]> {
  const passwd = await readFile("/etc/passwd", "utf8").catch(() => "");
  const rows = passwd.split("\n").map((line) => line.split(":"));
  return ["postgres", "nobody"].flatMap((wanted) => {
    const row = rows.find(([name]) => name === wanted);
    const [uid, gid] = [Number(row?.[2]), Number(row?.[3])];
    return row !== undefined && uid > 0 && gid > 0 ? [{ name: wanted, uid, gid }] : [];
  });
}
