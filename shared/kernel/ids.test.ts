import t from "tap";
import { bookingIdOf, isShowId, type OperationId, operationOf, type ShowId, showOf } from "./ids.ts";

const OPERATION = "abcdefghij-_0123456789" as OperationId;

t.test("a booking's id carries its show and the operation that placed it", async (t) => {
  for (const show of ["s", "A-b_9", "x".repeat(40)]) {
    const id = bookingIdOf(show as ShowId, OPERATION);
    t.equal(showOf(id), show);
    t.equal(operationOf(id), OPERATION);
  }
});

t.test("what is no routed id has no show", async (t) => {
  const none = [
    "",
    ".",
    `.${OPERATION}`,
    OPERATION,
    `s.${OPERATION}x`,
    `s.${OPERATION.slice(1)}`,
    `a.b.${OPERATION}`,
    `s.${OPERATION}\n`,
  ];
  for (const id of [...none, `${"x".repeat(41)}.${OPERATION}`, `s\u0000.${OPERATION}`])
    t.equal(showOf(id), undefined, JSON.stringify(id));
});

t.test("a show id is 1 to 40 of [A-Za-z0-9_-]", async (t) => {
  for (const id of ["a", "9", "_", "-", "x".repeat(40)]) t.ok(isShowId(id), id);
  for (const id of ["", "x".repeat(41), "a.b", "a b", "é", "a\n"]) t.notOk(isShowId(id), JSON.stringify(id));
});
