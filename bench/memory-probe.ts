// Loaded into the parts of a cluster by the soak (NODE_OPTIONS): on SIGUSR2 collects garbage and writes what memory is
// left to a file of the process's own in USHER_PROBE_DIR. Nothing else happens in the process.

import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const folder = process.env.USHER_PROBE_DIR;
if (folder !== undefined) {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  process.on("SIGUSR2", () => {
    const { rss } = process.memoryUsage();
    // Twice: finalizers of typed arrays run after the first.
    collect();
    collect();
    const { heapUsed, external } = process.memoryUsage();
    const path = join(folder, `${process.pid}.json`);
    writeFileSync(`${path}.new`, JSON.stringify({ rss, heapUsed, external }));
    renameSync(`${path}.new`, path);
  });
}
