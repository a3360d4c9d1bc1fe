// The demo's halls: eight shapes from 60 to 600 seats, with aisles (gaps in x), curved and staggered rows, three
// categories from front to back, and accessible places where a hall can be entered without steps.
// x grows to the right from the hall's middle line, y from the screen to the back; one unit is one seat's width.

import { createHash } from "node:crypto";
import type { WholeCatalogueInput } from "../../gateway/catalogue/document.ts";

type Layout = WholeCatalogueInput["layouts"][number];
type Seat = Layout["seats"][number];

export const DEMO_CATEGORIES = ["standard", "premium", "recliner"] as const;
type Category = (typeof DEMO_CATEGORIES)[number];

interface Tier {
  readonly section: string;
  readonly rows: number;
  /** Seats of each block of a row, left to right; aisles lie between blocks. */
  readonly blocks: readonly number[];
  /** How many seats every row has more than the one before it, in its outer blocks together. */
  readonly growth?: number;
  /** Rows of this tier from which on seats are premium, and recliners. */
  readonly premiumFrom: number;
  readonly reclinerFrom: number;
  /** The row by the entrance: its outermost seats are accessible. */
  readonly accessibleRow?: number;
}

interface Shape {
  readonly name: string;
  readonly tiers: readonly Tier[];
  /** How much nearer to the screen a row's ends are than its middle. */
  readonly curve?: number;
  /** Every other row is half a seat to the right. */
  readonly isStaggered?: boolean;
}

/** From small to large. */
const SHAPES: readonly Shape[] = [
  {
    name: "studio",
    tiers: [{ section: "Stalls", rows: 7, blocks: [5, 5], premiumFrom: 3, reclinerFrom: 6, accessibleRow: 0 }],
  },
  {
    name: "salon",
    isStaggered: true,
    tiers: [{ section: "Stalls", rows: 8, blocks: [4, 8], premiumFrom: 3, reclinerFrom: 7, accessibleRow: 7 }],
  },
  {
    name: "classic",
    tiers: [{ section: "Stalls", rows: 11, blocks: [7, 7], premiumFrom: 4, reclinerFrom: 9, accessibleRow: 4 }],
  },
  {
    name: "wide",
    tiers: [{ section: "Stalls", rows: 11, blocks: [4, 10, 4], premiumFrom: 4, reclinerFrom: 9, accessibleRow: 4 }],
  },
  {
    name: "crescent",
    curve: 2.5,
    tiers: [{ section: "Stalls", rows: 13, blocks: [5, 9, 5], premiumFrom: 5, reclinerFrom: 11, accessibleRow: 5 }],
  },
  {
    name: "fan",
    curve: 3,
    tiers: [
      { section: "Stalls", rows: 15, blocks: [3, 8, 3], growth: 1, premiumFrom: 6, reclinerFrom: 13, accessibleRow: 6 },
    ],
  },
  {
    name: "grand",
    isStaggered: true,
    tiers: [
      { section: "Front", rows: 6, blocks: [6, 10, 6], premiumFrom: 6, reclinerFrom: 6, accessibleRow: 5 },
      { section: "Rear", rows: 11, blocks: [6, 10, 6], premiumFrom: 0, reclinerFrom: 9, accessibleRow: 0 },
    ],
  },
  {
    name: "palace",
    curve: 3,
    tiers: [
      { section: "Stalls", rows: 18, blocks: [7, 12, 7], premiumFrom: 7, reclinerFrom: 18, accessibleRow: 7 },
      { section: "Balcony", rows: 6, blocks: [6, 12, 6], premiumFrom: 0, reclinerFrom: 4 },
    ],
  },
];

const ROW_DEPTH = 1.3;
/** Between tiers people cross the hall. */
const CROSS_AISLE_DEPTH = 2.5;
const AISLE_WIDTH = 1.6;
/** Wider than a seat, and less than one and a half: beyond that neighbours count as parted by an aisle. */
const RECLINER_WIDTH = 1.3;
const STAGGER = 0.5;
/** Best seen from two thirds of the way back. */
const FOCUS_DEPTH = 2 / 3;
/** I and O look like digits. */
const ROW_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ";

/** From small to large; an id changes with its plan. */
export const demoLayouts = (): Layout[] => SHAPES.map(layoutOf);

function layoutOf(shape: Shape): Layout {
  const seats: Seat[] = [];
  let rowIndex = 0;
  let y = 0;
  for (const tier of shape.tiers) {
    for (let i = 0; i < tier.rows; i += 1) {
      for (const seat of rowOf(shape, tier, i, rowIndex, y)) seats.push({ ...seat, index: seats.length });
      rowIndex += 1;
      y += ROW_DEPTH;
    }
    y += CROSS_AISLE_DEPTH;
  }
  const depth = Math.max(...seats.map((seat) => seat.y));
  const plan = { focus: { x: 0, y: hundredths(depth * FOCUS_DEPTH) }, seats };
  const digest = createHash("sha256").update(JSON.stringify(plan)).digest("hex").slice(0, 8);
  return { layout_id: `${shape.name}-${digest}`, ...plan };
}

function rowOf(shape: Shape, tier: Tier, i: number, rowIndex: number, y: number): Omit<Seat, "index">[] {
  const category: Category = i >= tier.reclinerFrom ? "recliner" : i >= tier.premiumFrom ? "premium" : "standard";
  const seatWidth = category === "recliner" ? RECLINER_WIDTH : 1;
  const blocks = grown(tier, i).map((count) => Math.floor(count / seatWidth));
  const xs: number[] = [];
  let x = 0;
  for (const count of blocks) {
    for (let n = 0; n < count; n += 1) xs.push(x + n * seatWidth);
    x += (count - 1) * seatWidth + 1 + AISLE_WIDTH;
  }
  const middle = (xs.at(-1) ?? 0) / 2;
  const row = ROW_LETTERS[rowIndex] ?? `R${rowIndex + 1}`;
  const shift = shape.isStaggered && rowIndex % 2 === 1 ? STAGGER : 0;
  return xs.map((left, n) => {
    const fromMiddle = left - middle;
    const isOuter = n < 2 || n >= xs.length - 2;
    return {
      label: `${row}${n + 1}`,
      section: tier.section,
      row,
      number: n + 1,
      x: hundredths(fromMiddle + shift),
      y: hundredths(y - (shape.curve ?? 0) * (middle === 0 ? 0 : fromMiddle / middle) ** 2 + (shape.curve ?? 0)),
      category,
      accessible: tier.accessibleRow === i && isOuter,
    };
  });
}

/** The blocks of a row: the outer ones grow with the hall. */
function grown(tier: Tier, i: number): number[] {
  const more = (tier.growth ?? 0) * i;
  return tier.blocks.map((count, block) => {
    if (block === 0) return count + Math.ceil(more / 2);
    return block === tier.blocks.length - 1 ? count + Math.floor(more / 2) : count;
  });
}

const hundredths = (value: number): number => Math.round(value * 100) / 100;
