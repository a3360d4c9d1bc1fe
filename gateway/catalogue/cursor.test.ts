import t from "tap";
import { readCursor, writeCursor } from "./cursor.ts";

t.test("a cursor comes back as it was", async (t) => {
  for (const title of ["Amélie", "", "x".repeat(240), "😀 \n"]) {
    const key = { title, movieId: "m-1" };
    t.same(readCursor(writeCursor(key)), key);
  }
});

t.test("anything else is no cursor", async (t) => {
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const others = [
    "",
    "x",
    "%00",
    "a".repeat(2_001),
    encoded(7),
    encoded(["a"]),
    encoded(["a", 1]),
    encoded(["a", "b", "c"]),
  ];
  for (const text of [...others, encoded(["a\0", "b"]), encoded(["\ud800", "b"])])
    t.equal(readCursor(text), undefined, text);
});
