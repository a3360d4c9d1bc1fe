// A tiny catalogue: one city, one cinema, one hall, one film, n shows at once in a rectangular layout.
// For tests and benchmarks, which need shows that are simple to reason about: rows A, B, …, seats 1, 2, … → `A1`.
// Row A is at the front (y = 0); the focus is the middle of the plan.

import type { WholeCatalogueInput } from "../../gateway/catalogue/document.ts";

type Show = WholeCatalogueInput["shows"][number];
type Policies = Pick<
  Show,
  "ends_at" | "hold_ttl_s" | "grace_s" | "offer_ttl_s" | "sales_cutoff" | "waitlist_policy" | "single_gap" | "gated"
>;

export interface SmallCatalogueOptions {
  /** When every show starts, milliseconds since the epoch. */
  readonly startsAt: number;
  /** 1 unless said. */
  readonly shows?: number;
  /** 10 unless said. */
  readonly rows?: number;
  /** 20 unless said. */
  readonly seatsPerRow?: number;
  /** From front to back, in bands of equally many rows; one category `standard` at 1200 unless said. */
  readonly categories?: readonly { readonly name: string; readonly price: number }[];
  /** Labels of accessible seats; none unless said. */
  readonly accessible?: readonly string[];
  /** An aisle two seats wide follows the seat with this number in every row. */
  readonly aisleAfter?: number;
  readonly currency?: string;
  readonly policies?: Policies;
  /** Begins every id, so that several small catalogues fit into one database; `small` unless said. */
  readonly prefix?: string;
}

const AISLE_WIDTH = 2;

/** The id of the show with this index (from 0): `small-0001`, `small-0002`, … */
export const smallShowId = (index: number, prefix = "small"): string =>
  `${prefix}-${String(index + 1).padStart(4, "0")}`;

/** `A` … `Z`, `AA`, `AB`, … */
export function rowName(index: number): string {
  const last = String.fromCharCode(65 + (index % 26));
  return index < 26 ? last : rowName(Math.floor(index / 26) - 1) + last;
}

export function smallCatalogue(options: SmallCatalogueOptions): WholeCatalogueInput {
  const prefix = options.prefix ?? "small";
  const categories = options.categories ?? [{ name: "standard", price: 1_200 }];
  const startsAt = new Date(options.startsAt).toISOString();
  const show = {
    movie_id: `${prefix}-film`,
    hall_id: `${prefix}-hall`,
    starts_at: startsAt,
    prices: Object.fromEntries(categories.map(({ name, price }) => [name, price])),
    currency: options.currency ?? "USD",
    ...options.policies,
  };
  return {
    cities: [{ city_id: `${prefix}-city`, name: "Springfield", state: "IL", country: "US" }],
    layouts: [smallLayout(options)],
    cinemas: [
      {
        cinema_id: `${prefix}-cinema`,
        city_id: `${prefix}-city`,
        name: "Aztec",
        address: "1 Main Street, Springfield, IL 62701",
        postal_code: "62701",
        latitude: 39.8,
        longitude: -89.65,
        time_zone: "America/Chicago",
        halls: [{ hall_id: `${prefix}-hall`, name: "Hall 1", layout_id: `${prefix}-layout` }],
      },
    ],
    movies: [
      {
        movie_id: `${prefix}-film`,
        title: "The Test Card",
        description: "A card, held very still.",
        duration_min: 90,
        genre: "Drama",
        language: "English",
        release_date: "2020-01-01",
        country: "US",
      },
    ],
    shows: Array.from({ length: options.shows ?? 1 }, (_, i) => ({ ...show, show_id: smallShowId(i, prefix) })),
  };
}

function smallLayout(options: SmallCatalogueOptions): WholeCatalogueInput["layouts"][number] {
  const rows = options.rows ?? 10;
  const seatsPerRow = options.seatsPerRow ?? 20;
  const { aisleAfter } = options;
  const names = options.categories?.map((category) => category.name) ?? ["standard"];
  const accessible = new Set(options.accessible);
  const seats = Array.from({ length: rows * seatsPerRow }, (_, index) => {
    const y = Math.floor(index / seatsPerRow);
    const number = (index % seatsPerRow) + 1;
    const row = rowName(y);
    const label = `${row}${number}`;
    const x = number - 1 + (aisleAfter !== undefined && number > aisleAfter ? AISLE_WIDTH : 0);
    const category = names[Math.floor((y * names.length) / rows)] ?? "standard";
    return { index, label, section: "", row, number, x, y, category, accessible: accessible.has(label) };
  });
  const focus = { x: ((seats.at(-1)?.x ?? 0) as number) / 2, y: (rows - 1) / 2 };
  return { layout_id: `${options.prefix ?? "small"}-layout`, focus, seats };
}
