import t from "tap";
import type { Bus } from "../../shared/cluster/bus.ts";
import { FakeTime } from "../../waitlist/poll/fake-time.ts";
import { Silence } from "./silence.ts";

function silenceOf(isConnected = true) {
  const time = new FakeTime();
  const listeners = new Set<(isConnected: boolean) => void>();
  const bus: Pick<Bus, "isConnected" | "onConnection"> = {
    isConnected: () => isConnected,
    onConnection: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const house = { loads: 0 };
  const loadAnew = (): void => {
    house.loads += 1;
  };
  const silence = new Silence({ bus: bus as Bus, timers: time, loadAnew });
  const tell = (now: boolean): void => {
    for (const listener of listeners) listener(now);
  };
  return { time, house, silence, tell, listeners };
}

t.test("shows are loaded anew every 20 s while the bus is away, and only then", async (t) => {
  const { time, house, tell } = silenceOf();
  await time.pass(300_000);
  t.equal(house.loads, 0);
  tell(false);
  tell(false);
  await time.pass(19_999);
  t.equal(house.loads, 0, "a short gap costs nothing");
  await time.pass(1);
  t.equal(house.loads, 1);
  await time.pass(300_000);
  t.equal(house.loads, 16);
  tell(true);
  await time.pass(300_000);
  t.equal(house.loads, 16);
});

t.test("away from the beginning; stopped, nothing is left", async (t) => {
  const { time, house, silence, listeners } = silenceOf(false);
  await time.pass(20_000);
  t.equal(house.loads, 1);
  silence.stop();
  await time.pass(60_000);
  t.equal(house.loads, 1);
  t.equal(time.armed.length + listeners.size, 0);
});
