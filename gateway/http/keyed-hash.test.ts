import { createHmac } from "node:crypto";
import fc from "fast-check";
import t from "tap";
import { KeyedHash } from "./keyed-hash.ts";

t.test("it is HMAC-SHA256, call after call", async (t) => {
  const latin1 = fc
    .array(fc.integer({ min: 0, max: 255 }), { maxLength: 512 })
    .map((codes) => String.fromCharCode(...codes));
  const keys = fc.uint8Array({ maxLength: 64 });
  fc.assert(
    fc.property(keys, fc.array(latin1, { minLength: 1, maxLength: 4 }), (key, texts) => {
      const keyed = new KeyedHash(key);
      return texts.every((text) => {
        const wanted = createHmac("sha256", key).update(Buffer.from(text, "latin1")).digest("base64url");
        return keyed.of(text) === wanted;
      });
    }),
    { numRuns: 500 },
  );
  t.throws(() => new KeyedHash(new Uint8Array(65)));
  t.throws(() => new KeyedHash(new Uint8Array(32)).of("x".repeat(513)));
});
