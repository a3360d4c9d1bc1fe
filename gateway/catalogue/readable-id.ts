// Ids that people can read to one another: 16 characters without look-alikes (Crockford's base 32, lower case).
// Unique, not secret: 80 bits of whatever they are made from.

const ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz";
export const READABLE_ID_BYTES = 10;

/** @param bytes at least READABLE_ID_BYTES, random or a digest; the first ten are used. */
export function readableId(bytes: Uint8Array): string {
  let id = "";
  let bits = 0;
  let bitCount = 0;
  for (const byte of bytes.subarray(0, READABLE_ID_BYTES)) {
    bits = (bits << 8) | byte;
    bitCount += 8;
    for (; bitCount >= 5; bitCount -= 5) id += ALPHABET[(bits >> (bitCount - 5)) & 31];
    bits &= (1 << bitCount) - 1;
  }
  return id;
}
