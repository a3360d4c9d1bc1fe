import t from "tap";
import { smallCatalogue } from "../../demo/catalogue/small.ts";
import { availabilityOf } from "./availability.ts";
import { compileHallPlan } from "./hall-plan.ts";
import { readableId } from "./readable-id.ts";

t.test("labels and categories, there and back", async (t) => {
  const categories = [
    { name: "front", price: 1 },
    { name: "back", price: 2 },
  ];
  const { layouts = [] } = smallCatalogue({ startsAt: 0, rows: 3, seatsPerRow: 2, categories, accessible: ["C2"] });
  const [layout] = layouts;
  if (layout === undefined) return t.fail("no layout");
  const plan = compileHallPlan(layout);
  t.same(plan.labels, ["A1", "A2", "B1", "B2", "C1", "C2"]);
  t.equal(plan.seatOf("C2"), 5);
  t.equal(plan.seatOf("D1"), undefined);
  t.same(plan.categories, ["front", "back"]);
  t.same(plan.categorySeats, [4, 2]);
  t.equal(plan.categoryOf("back"), 1);
  t.equal(plan.categoryOf("constructor"), undefined);
  t.same([...plan.categoryIndexOfSeat], [0, 0, 0, 0, 1, 1]);
  t.same([...plan.accessible], [0, 0, 0, 0, 0, 1]);
});

t.test("almost full is less than a tenth", async (t) => {
  t.equal(availabilityOf(0, 10), "Full");
  t.equal(availabilityOf(1, 10), "Available");
  t.equal(availabilityOf(9, 100), "Almost Full");
  t.equal(availabilityOf(10, 100), "Available");
  t.equal(availabilityOf(1, 5), "Available");
});

t.test("readable ids: 16 characters, all ten bytes in them", async (t) => {
  t.equal(readableId(new Uint8Array(10)), "0".repeat(16));
  t.equal(readableId(new Uint8Array(10).fill(255)), "z".repeat(16));
  const bytes = Uint8Array.from({ length: 10 }, (_, i) => i * 25);
  for (let i = 0; i < 10; i += 1) {
    t.not(readableId(bytes.map((byte, j) => (i === j ? byte ^ 1 : byte))), readableId(bytes), `byte ${i}`);
  }
});
