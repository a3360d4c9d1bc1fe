import t from "tap";
import { auditCommand } from "./audit.ts";
import type { Command, Io } from "./command.ts";
import { firstSteps } from "./first-steps.ts";
import { importCommand } from "./import.ts";
import { startCommand } from "./start.ts";
import { tokenCommand } from "./token.ts";

const io: Io = { env: {}, say: () => undefined, warn: () => undefined };

t.test("bad usage is refused before anything is opened", async (t) => {
  const cases: readonly (readonly [Command, readonly string[], RegExp])[] = [
    [startCommand, ["--port", "99999"], /--port must be a whole number from 0 to 65535/],
    [startCommand, ["--port", "-1"], /--port/],
    [startCommand, ["--data"], /--data/],
    [startCommand, ["extra"], /Unexpected argument 'extra'/],
    [tokenCommand, [], /--scope admin or gate/],
    [tokenCommand, ["--scope", "root"], /not "root"/],
    [tokenCommand, ["--scope", "admin,"], /not ""/],
    [tokenCommand, ["--scope", "admin", "--ttl-s", "0"], /--ttl-s/],
    [tokenCommand, ["--scope", "admin", "--ttl-s", "1.5"], /--ttl-s/],
    [tokenCommand, ["--scope", "admin", "admin"], /Unexpected argument/],
    [importCommand, [], /which file/],
    [importCommand, ["a.json", "b.json"], /Unexpected argument 'b.json'/],
    [auditCommand, ["--dat", "x"], /Unknown option '--dat'/],
  ];
  for (const [command, args, message] of cases) {
    await t.rejects(command.run(args, io), { code: "usage", message }, `${command.name} ${args.join(" ")}`);
  }
});

t.test("the first steps name a show when there is one", async (t) => {
  const steps = firstSteps("http://127.0.0.1:1", "show-1").join("\n");
  t.match(steps, '"showtime_id":"show-1"');
  t.match(steps, "http://127.0.0.1:1/v1/bookings/confirm");
  t.same(firstSteps("http://127.0.0.1:1", undefined), ["Documentation: http://127.0.0.1:1/docs"]);
});
