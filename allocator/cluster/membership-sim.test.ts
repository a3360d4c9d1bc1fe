// Goal: whatever happens to the nodes, the bus and the store, views only go forward, nobody is out without a witness, and
// when it is over exactly the living are in the view. Method: random faults, a seed a story. SEED= and SEEDS= for more.

import t from "tap";
import { SeededRandom } from "../../shared/kernel/seeded-random.ts";
import { silentLog } from "../../shared/platform/log.ts";
import { FakeTime } from "../../waitlist/poll/fake-time.ts";
import { MembershipSim } from "./membership-sim.ts";

const from = Number(process.env["SEED"] ?? 1);
const count = Number(process.env["SEEDS"] ?? 8);

async function story(seed: number): Promise<MembershipSim> {
  const random = new SeededRandom(seed);
  const sim = new MembershipSim({
    random,
    time: new FakeTime(),
    log: silentLog(),
    nodes: 2 + random.below(4),
    steps: 60,
  });
  await sim.run();
  return sim;
}

t.test("every story ends well", async (t) => {
  const total = new Map<string, number>();
  for (let seed = from; seed < from + count; seed += 1) {
    const { problems, counts } = await story(seed);
    t.same(problems, [], `seed ${seed}`);
    for (const [what, n] of counts) total.set(what, (total.get(what) ?? 0) + n);
  }
  t.comment(JSON.stringify(Object.fromEntries(total)));
  for (const what of ["lives", "deposed", "killed", "left"]) t.ok((total.get(what) ?? 0) > 0, `somebody: ${what}`);
});
