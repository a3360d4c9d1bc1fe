// Never more inside than may be, in the order they came, also when work fails.

import t from "tap";
import { Gate } from "./gate.ts";

t.test("so many at once, first come first served", async (t) => {
  const gate = new Gate(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  let inside = 0;
  const all = Array.from({ length: 6 }, (_, i) =>
    gate
      .through(async () => {
        begun.push(i);
        inside += 1;
        t.ok(inside <= 2);
        await new Promise<void>((resolve) => void ends.push(resolve));
        inside -= 1;
        if (i === 1) throw new Error("one");
        return i;
      })
      .catch((error: Error) => error.message),
  );
  for (let i = 0; i < 6; i += 1) {
    while (ends[i] === undefined) await Promise.resolve();
    ends[i]?.();
  }
  t.same(await Promise.all(all), [0, "one", 2, 3, 4, 5]);
  t.same(begun, [0, 1, 2, 3, 4, 5]);
});

t.test("a queue has an end", async (t) => {
  const gate = new Gate(1);
  let open: () => void = () => undefined;
  const first = gate.through(() => new Promise<void>((resolve) => (open = resolve)));
  const waiting = Array.from({ length: 1_000 }, () => gate.through(async () => undefined));
  await t.rejects(
    gate.through(async () => undefined),
    /too many/,
  );
  open();
  await Promise.all([first, ...waiting]);
  await gate.through(async () => t.pass("and then there is room again"));
});
