// A token as a QR code, drawn here from the library's matrix: its own PNG encoder takes 20 ms of the thread for what
// zlib does in less than one.
// Q1: black on white with the quiet zone of four modules that scanners ask for; error correction M, for creased paper.

import { crc32, deflateSync } from "node:zlib";
import { create } from "qrcode";

const QUIET_MODULES = 4;
const MODULE_PIXELS = 6;

interface Matrix {
  /** Modules a side, without the quiet zone. */
  readonly size: number;
  isDark(row: number, column: number): boolean;
}

function matrixOf(text: string): Matrix {
  const { modules } = create(text, { errorCorrectionLevel: "M" });
  return { size: modules.size, isDark: (row, column) => modules.get(row, column) !== 0 };
}

/** One path of horizontal runs: small, and sharp at any size. */
export function qrSvg(text: string): string {
  const { size, isDark } = matrixOf(text);
  const side = size + 2 * QUIET_MODULES;
  let runs = "";
  for (let row = 0; row < size; row += 1) {
    for (let column = 0; column < size; column += 1) {
      if (!isDark(row, column)) continue;
      const start = column;
      while (column + 1 < size && isDark(row, column + 1)) column += 1;
      const length = column - start + 1;
      runs += `M${start + QUIET_MODULES} ${row + QUIET_MODULES}h${length}v1h-${length}z`;
    }
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${side} ${side}" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h${side}v${side}H0z"/><path d="${runs}"/></svg>`;
}

/** One bit a pixel, grey: 0 is black. */
export function qrPng(text: string): Uint8Array {
  const { size, isDark } = matrixOf(text);
  const side = (size + 2 * QUIET_MODULES) * MODULE_PIXELS;
  // Each line begins with its filter: none.
  const lineBytes = 1 + Math.ceil(side / 8);
  const pixels = Buffer.alloc(lineBytes * side, 0xff);
  for (let y = 0; y < side; y += 1) pixels[y * lineBytes] = 0;
  for (let row = 0; row < size; row += 1) {
    const top = (row + QUIET_MODULES) * MODULE_PIXELS;
    const line = pixels.subarray(top * lineBytes, (top + 1) * lineBytes);
    for (let column = 0; column < size; column += 1) {
      if (isDark(row, column)) blacken(line, (column + QUIET_MODULES) * MODULE_PIXELS);
    }
    for (let y = top + 1; y < top + MODULE_PIXELS; y += 1) line.copy(pixels, y * lineBytes);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header[8] = 1; // bits a sample; the rest stays 0: grey, deflate, no interlacing
  return Buffer.concat([PNG_SIGNATURE, chunk("IHDR", header), chunk("IDAT", deflateSync(pixels)), chunk("IEND")]);
}

/** One module of a line, from pixel `from` on. */
function blacken(line: Buffer, from: number): void {
  for (let x = from; x < from + MODULE_PIXELS; x += 1) {
    const at = 1 + (x >> 3);
    line[at] = (line[at] ?? 0) & ~(0x80 >> (x & 7));
  }
}

const PNG_SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

function chunk(type: string, data: Buffer = Buffer.alloc(0)): Buffer {
  const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  body.copy(whole, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}
