// docs/CONFIGURATION.md, from the table of settings.

import { SETTINGS, type Setting } from "./settings.ts";

/** docs/CONFIGURATION.md. */
export function configurationMarkdown(): string {
  const rows = Object.values<Setting<unknown>>(SETTINGS).map(
    ({ name, fallback, unit, range, meaning }) =>
      `| \`${name}\` | ${fallback === undefined ? "–" : `\`${fallback}\``} | ${unit || "–"} | ${range} | ${meaning} |`,
  );
  return [
    "# Configuration",
    "",
    "Usher is configured by environment variables. They are read once, at start; every mistake is reported by name, all",
    "of them at once, and the process ends with exit code 78. An empty variable counts as absent.",
    "",
    "This page is written by `npm run docs:configuration` from `cli/settings.ts`; a test keeps the two the same.",
    "",
    "| variable | default | unit | range | meaning |",
    "|---|---|---|---|---|",
    ...rows,
    "",
    "A parked long poll is an open connection, and a connection is an open file: 50,000 of them need a limit of at least",
    "60,000 (`ulimit -Hn`, `LimitNOFILE=` of a systemd unit). Where fewer are allowed, fewer connections are taken, and the",
    "log says so at start.",
    "",
  ].join("\n");
}
