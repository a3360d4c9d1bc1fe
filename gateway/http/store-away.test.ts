import t from "tap";
import { isStoreAway } from "./store-away.ts";

const coded = (code: string) => Object.assign(new Error("x"), { code });

t.test("the store being away is told from a bug", async (t) => {
  const away = [
    ...["ECONNREFUSED", "ECONNRESET", "ENOENT", "57P01", "57P03", "53300", "08006", "57014"].map(coded),
    new Error("Connection terminated unexpectedly"),
    new Error("Connection terminated due to connection timeout"),
    new Error("timeout exceeded when trying to connect"),
    new Error("Query read timeout"),
    new AggregateError([coded("ECONNREFUSED"), coded("ECONNREFUSED")]),
  ];
  for (const error of away) t.ok(isStoreAway(error), `${error.message} ${"code" in error ? error.code : ""}`);
  const bugs = [
    coded("23505"),
    coded("42601"),
    coded("22021"),
    new TypeError("x"),
    new AggregateError([]),
    "ECONNREFUSED",
  ];
  for (const error of bugs) t.notOk(isStoreAway(error), String(error));
});
