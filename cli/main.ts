// `usher COMMAND`: finds the command, says plainly what is wrong, and turns it into an exit code.
// 0 done · 1 failed · 64 the command line is wrong · 78 the environment is.

import { StartFault, systemCodeOf } from "../shared/platform/start-fault.ts";
import { allocatorCommand } from "./allocator.ts";
import { auditCommand } from "./audit.ts";
import { clusterCommand } from "./cluster.ts";
import { type Command, EXIT_CONFIG, EXIT_FAILED, EXIT_OK, EXIT_USAGE, type Io } from "./command.ts";
import { gatewayCommand } from "./gateway.ts";
import { importCommand } from "./import.ts";
import { startCommand } from "./start.ts";
import { tokenCommand } from "./token.ts";
import { VERSION } from "./version.ts";

const COMMANDS: readonly Command[] = [
  startCommand,
  clusterCommand,
  allocatorCommand,
  gatewayCommand,
  tokenCommand,
  importCommand,
  auditCommand,
];

const io: Io = {
  env: process.env,
  say: (line) => void process.stdout.write(`${line}\n`),
  warn: (line) => void process.stderr.write(`${line}\n`),
};

// A server goes on without its reader: `npm start | grep -m1 ready` closes the pipe and wants the product.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error) => {
    if (systemCodeOf(error) !== "EPIPE") throw error;
  });
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  return [
    "usher COMMAND [FLAGS]",
    "",
    ...COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "usher COMMAND --help says more. The environment is described in docs/CONFIGURATION.md.",
  ].join("\n");
}

function help({ name, usage, summary, flags }: Command): string {
  return [`usher ${name} ${usage}`, "", summary, "", ...flags.map((flag) => `  ${flag}`)].join("\n");
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === "--help" || name === "-h" || name === "help") {
    io.say(overview());
    return name === undefined ? EXIT_USAGE : EXIT_OK;
  }
  if (name === "--version") {
    io.say(VERSION);
    return EXIT_OK;
  }
  const command = COMMANDS.find((known) => known.name === name);
  if (command === undefined) {
    io.warn(`There is no command "${name}".\n\n${overview()}`);
    return EXIT_USAGE;
  }
  if (rest.includes("--help") || rest.includes("-h")) {
    io.say(help(command));
    return EXIT_OK;
  }
  try {
    return await command.run(rest, io);
  } catch (error) {
    return failed(error, command);
  }
}

function failed(error: unknown, command: Command): number {
  if (!(error instanceof StartFault)) {
    io.warn(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return EXIT_FAILED;
  }
  io.warn(error.message);
  if (error.code === "usage") io.warn(`\n${help(command)}`);
  return error.code === "usage" ? EXIT_USAGE : error.code === "config" ? EXIT_CONFIG : EXIT_FAILED;
}

process.exitCode = await main(process.argv.slice(2));
