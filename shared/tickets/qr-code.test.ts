// What is drawn is the code, module by module, with its quiet zone: read back from the SVG's path and the PNG's pixels.

import { crc32, inflateSync } from "node:zlib";
import { create } from "qrcode";
import t from "tap";
import { qrPng, qrSvg } from "./qr-code.ts";

const TEXT = `eyJhbGciOiJFZERTQSJ9.${"aZ09-_".repeat(45)}`;
const QUIET = 4;
const { modules } = create(TEXT, { errorCorrectionLevel: "M" });
const side = modules.size + 2 * QUIET;
const wanted = Array.from({ length: side }, (_, row) =>
  Array.from({ length: side }, (_, column) => {
    const [r, c] = [row - QUIET, column - QUIET];
    const isInside = r >= 0 && c >= 0 && r < modules.size && c < modules.size;
    return isInside && modules.get(r, c) !== 0 ? "#" : ".";
  }).join(""),
);

t.test("as SVG", async (t) => {
  const svg = qrSvg(TEXT);
  t.match(svg, `viewBox="0 0 ${side} ${side}"`);
  const found = Array.from({ length: side }, () => new Array<string>(side).fill("."));
  for (const [, x, y, length] of svg.matchAll(/M(\d+) (\d+)h(\d+)v1h-\3z/g)) {
    for (let i = 0; i < Number(length); i += 1) (found[Number(y)] as string[])[Number(x) + i] = "#";
  }
  t.same(
    found.map((row) => row.join("")),
    wanted,
  );
  t.ok(svg.length < 40_000, `${svg.length} bytes`);
});

t.test("as PNG", async (t) => {
  const png = Buffer.from(qrPng(TEXT));
  t.same(png.subarray(0, 8), Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]));
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    const body = png.subarray(at + 4, at + 8 + length);
    t.equal(png.readUInt32BE(at + 8 + length), crc32(body));
    chunks.set(body.toString("latin1", 0, 4), body.subarray(4));
    at += length + 12;
  }
  t.same([...chunks.keys()], ["IHDR", "IDAT", "IEND"]);
  const header = chunks.get("IHDR") as Buffer;
  const pixels = header.readUInt32BE(0);
  t.equal(header.readUInt32BE(4), pixels);
  t.equal(pixels % side, 0);
  t.same([...header.subarray(8)], [1, 0, 0, 0, 0]);
  const data = inflateSync(chunks.get("IDAT") as Buffer);
  const lineBytes = 1 + Math.ceil(pixels / 8);
  t.equal(data.length, lineBytes * pixels);
  const scale = pixels / side;
  const isBlack = (x: number, y: number): boolean =>
    ((data[y * lineBytes + 1 + (x >> 3)] as number) & (0x80 >> (x & 7))) === 0;
  for (const [dx, dy] of [
    [0, 0],
    [scale - 1, scale - 1],
    [0, scale - 1],
  ] as const) {
    const found = wanted.map((line, row) =>
      [...line].map((_, column) => (isBlack(column * scale + dx, row * scale + dy) ? "#" : ".")).join(""),
    );
    t.same(found, wanted, `pixel ${dx},${dy} of each module`);
  }
});
