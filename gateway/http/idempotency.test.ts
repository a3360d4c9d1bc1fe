import t from "tap";
import type { SessionId, ShowId } from "../../shared/kernel/ids.ts";
import { fingerprint, Operations, type RequestParts } from "./idempotency.ts";

const operations = new Operations(new Uint8Array(32).fill(2));
const of = (session: string, show: string, key: string, request: RequestParts = ["lock", [1, 2]]) =>
  operations.of(session as SessionId, show as ShowId, key, request);

t.test("ids and fingerprints are stored, so they never change", async (t) => {
  t.same(of("ann", "show-1", "key-1"), { id: "Be6kJ8JRD6xDKIgtzPcjld", requestHash: 999_977_436_199_446 });
  t.equal(fingerprint("lock"), 7_740_979_578_937_967);
});

t.test(
  "an id depends on session, show, key and the installation's secret, and on where each of them ends",
  async (t) => {
    const ids = [
      of("ann", "show-1", "k"),
      of("bob", "show-1", "k"),
      of("ann", "show-2", "k"),
      of("ann", "show-1", "l"),
      of("an", "nshow-1", "k"),
      new Operations(new Uint8Array(32).fill(3)).of("ann" as SessionId, "show-1" as ShowId, "k", []),
    ].map(({ id }) => id);
    t.equal(new Set(ids).size, ids.length);
    for (const id of ids) t.match(id, /^[A-Za-z0-9_-]{22}$/);
    t.equal(of("ann", "show-1", "k", ["other"]).id, ids[0], "not on the request");
  },
);

t.test("a fingerprint tells requests apart and stays below 2^53", async (t) => {
  const requests: RequestParts[] = [
    ["lock", [1, 2]],
    ["lock", [12]],
    ["lock", ["1", "2"]],
    ["lock", 1, 2],
    ["lock", "1,2"],
    ["lock", 2, undefined, false, false],
    ["lock", 2, 0, false, false],
    ["lock", 2, undefined, true, false],
    ["lock", 2, undefined, false, true],
    ["confirm", "a", "b", undefined],
    ["confirm", "a", "b", ""],
  ];
  const hashes = requests.map((request) => of("ann", "show-1", "k", request).requestHash);
  t.equal(new Set(hashes).size, hashes.length);
  for (const hash of hashes) t.ok(Number.isSafeInteger(hash) && hash >= 0, `${hash}`);
  const many = new Set(Array.from({ length: 100_000 }, (_, i) => fingerprint(`["lock",[${i}]]`)));
  t.equal(many.size, 100_000);
});
