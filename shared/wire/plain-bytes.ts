// The guard before msgpackr: lets through only what our own encoder writes, whole: nil, booleans, numbers up to 2^53, text
// and arrays. What comes from another process never reaches the library's extensions (records, references, big integers,
// regular expressions, errors, bundled text: nesting without end, seconds of work out of a megabyte, objects that are
// no data), and every length is true before anything is allocated by it.
// Source: https://github.com/msgpack/msgpack/blob/master/spec.md

/** The deepest message of ours is 8; more is there for what later versions nest. */
const DEPTH_MAX = 16;

const NOT_PLAIN = -1;

export const isPlain = (bytes: Uint8Array): boolean => skip(bytes, 0, 0) === bytes.length;

/** Where the value at `at` ends; `NOT_PLAIN` if it is not allowed or not all there. */
function skip(bytes: Uint8Array, at: number, depth: number): number {
  const token = bytes[at];
  if (token === undefined) return NOT_PLAIN;
  if (token < 0x80 || token >= 0xe0) return at + 1;
  if (token >= 0xa0 && token < 0xc0) return upTo(bytes, at + 1 + (token & 0x1f));
  if (token >= 0x90 && token < 0xa0) return skipAll(bytes, at + 1, token & 0x0f, depth);
  switch (token) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return at + 1;
    case 0xcc: // 8 bits, unsigned and signed
    case 0xd0:
      return upTo(bytes, at + 2);
    case 0xcd: // 16 bits
    case 0xd1:
      return upTo(bytes, at + 3);
    case 0xce: // 32 bits
    case 0xd2:
      return upTo(bytes, at + 5);
    case 0xcb: // float of 64 bits: also every whole number beyond 32 bits
      return upTo(bytes, at + 9);
    case 0xd9: // text
      return upTo(bytes, at + 2 + unsigned(bytes, at + 1, 1));
    case 0xda:
      return upTo(bytes, at + 3 + unsigned(bytes, at + 1, 2));
    case 0xdb:
      return upTo(bytes, at + 5 + unsigned(bytes, at + 1, 4));
    case 0xdc: // array
      return skipAll(bytes, at + 3, unsigned(bytes, at + 1, 2), depth);
    case 0xdd:
      return skipAll(bytes, at + 5, unsigned(bytes, at + 1, 4), depth);
    default: // maps, binary, extensions, floats of 32 and integers of 64 bits, the byte that is never used
      return NOT_PLAIN;
  }
}

function skipAll(bytes: Uint8Array, from: number, count: number, depth: number): number {
  // Each element takes a byte at least.
  if (depth === DEPTH_MAX || count > bytes.length - from) return NOT_PLAIN;
  let at = from;
  for (let i = 0; i < count && at !== NOT_PLAIN; i += 1) at = skip(bytes, at, depth + 1);
  return at;
}

const upTo = (bytes: Uint8Array, end: number): number => (end <= bytes.length ? end : NOT_PLAIN);

/** Bytes that are not there count as 0: what follows them is not there either. */
function unsigned(bytes: Uint8Array, at: number, size: 1 | 2 | 4): number {
  let value = 0;
  for (let i = 0; i < size; i += 1) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
