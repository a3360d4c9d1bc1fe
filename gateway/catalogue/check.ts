// Checks a catalogue document, as far as that is possible without the database.
// Goes item by item and stops at the limit of issues: a document of 500,000 wrong shows costs as much as one of 50.
// C1: a document that passes has no duplicate ids, every array within its limit and every show an id.
// C2: an issue's path is a JSON pointer into the document as it was given.

import { createHash } from "node:crypto";
import type { z } from "zod";
import { assertNever } from "../../shared/kernel/assert.ts";
import { safeParse } from "../http/safe-parse.ts";
import {
  type Catalogue,
  type CatalogueCinema,
  type CatalogueCity,
  type CatalogueLayout,
  type CatalogueMovie,
  type CatalogueShow,
  LIMITS,
  sections,
} from "./document.ts";
import { readableId } from "./readable-id.ts";
import { instantMs } from "./times.ts";

export const ISSUES_MAX = 50;

export interface Issue {
  /** JSON pointer (RFC 6901), e.g. `/shows/17/prices/vip`. */
  readonly path: string;
  readonly message: string;
}

export type IdentifiedShow = CatalogueShow & { readonly show_id: string };

/** A document that passed: every section is there, every show has its id. Owned by whoever asked for the check. */
export type CheckedCatalogue = Omit<Catalogue, "shows" | "$schema"> & { readonly shows: readonly IdentifiedShow[] };

export type CheckResult =
  | { readonly kind: "checked"; readonly catalogue: CheckedCatalogue }
  | { readonly kind: "refused"; readonly issues: readonly Issue[] };

/** Collects issues up to the limit. */
export class Issues {
  readonly found: Issue[] = [];

  get full(): boolean {
    return this.found.length >= ISSUES_MAX;
  }

  add(path: readonly PropertyKey[], message: string): void {
    if (!this.full) this.found.push({ path: pointer(path), message });
  }
}

const SEGMENT_CHARACTERS_MAX = 60;

/** Keys come from the document, so they are shortened and made printable before they go into an answer. */
function pointer(path: readonly PropertyKey[]): string {
  return path
    .map((key) => String(key).replace(/[\p{Cc}\p{Cs}]/gu, "\uFFFD"))
    .map((key) => (key.length > SEGMENT_CHARACTERS_MAX ? `${key.slice(0, SEGMENT_CHARACTERS_MAX)}…` : key))
    .map((key) => `/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("");
}

export const issueText = (issue: Issue): string => `${issue.path === "" ? "/" : issue.path}: ${issue.message}`;

type SectionName = keyof typeof sections;
const sectionNames = Object.keys(sections) as SectionName[];

/** Lets others have a turn; see `checkCatalogue`. */
export type Pause = () => Promise<void>;
const noPause: Pause = async () => undefined;
/** A layout has up to 2,000 seats, a cinema up to 100 halls. */
const ITEMS_PER_TURN: Readonly<Record<SectionName, number>> = {
  cities: 200,
  layouts: 2,
  cinemas: 20,
  movies: 200,
  shows: 200,
};

/**
 * @param pause awaited between slices of work, so that a server goes on serving during a large import (64 MiB of
 *   shows are a second of checking); nothing may change `input` meanwhile.
 */
export async function checkCatalogue(input: unknown, pause: Pause = noPause): Promise<CheckResult> {
  const issues = new Issues();
  const checked: Record<SectionName, unknown[]> = { cities: [], layouts: [], cinemas: [], movies: [], shows: [] };
  if (!isRecord(input)) {
    issues.add([], "must be an object");
    return { kind: "refused", issues: issues.found };
  }
  for (const key of Object.keys(input)) {
    if (key !== "$schema" && !Object.hasOwn(sections, key)) issues.add([key], "unknown field");
  }
  const seen = new Set<string>();
  for (const name of sectionNames) {
    const items = arrayOf(name, input[name], issues);
    for (const [index, raw] of items.entries()) {
      if (issues.full) break;
      if (index % ITEMS_PER_TURN[name] === ITEMS_PER_TURN[name] - 1) await pause();
      const item = checkItem(sections[name].element, raw, [name, index], issues);
      if (item === undefined) continue;
      checked[name].push(item);
      checkIds(identify(name, item), { path: [name, index], seen, issues });
    }
  }
  if (issues.found.length > 0) return { kind: "refused", issues: issues.found };
  return { kind: "checked", catalogue: checked as unknown as CheckedCatalogue };
}

function arrayOf(name: SectionName, input: unknown, issues: Issues): readonly unknown[] {
  if (input === undefined) return [];
  if (!Array.isArray(input)) issues.add([name], "must be an array");
  else if (input.length > LIMITS[name]) issues.add([name], `must have at most ${LIMITS[name]} entries`);
  else return input;
  return [];
}

function checkItem(schema: z.ZodType, raw: unknown, path: readonly PropertyKey[], issues: Issues): unknown {
  // zod drops this one key from a record in silence; D1 refuses it.
  if (isRecord(raw) && isRecord(raw.prices) && Object.hasOwn(raw.prices, "__proto__"))
    issues.add([...path, "prices", "__proto__"], "unknown field");
  const result = safeParse(schema, raw);
  if (result.success) return result.data;
  // Once more for the wording: to hand it to every parse would double its price (3 µs a show).
  const { error } = safeParse(schema, raw, { error: messageOf });
  for (const issue of error?.issues ?? result.error.issues) addIssue(issue, path, issues);
  return undefined;
}

function addIssue(issue: z.core.$ZodIssue, path: readonly PropertyKey[], issues: Issues): void {
  const here = [...path, ...issue.path];
  if (issue.code === "unrecognized_keys") for (const key of issue.keys) issues.add([...here, key], "unknown field");
  else if (issue.code === "invalid_key") issues.add(here, issue.issues[0]?.message ?? issue.message);
  else issues.add(here, issue.message);
}

/** Plainer words than zod's own, where the schema has none of its own. */
function messageOf(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is missing" : `must be ${aOrAn(issue.expected)}`;
    case "too_big":
      return `must ${measure(issue.origin)} at most ${issue.maximum}${unitOf(issue.origin)}`;
    case "too_small":
      return `must ${measure(issue.origin)} at least ${issue.minimum}${unitOf(issue.origin)}`;
    case "invalid_value":
      return `must be one of ${issue.values.map(String).join(", ")}`;
    default:
      return undefined;
  }
}

const kinds: Readonly<Record<string, string>> = {
  int: "a whole number",
  record: "an object",
  boolean: "true or false",
};
const aOrAn = (kind: string): string => kinds[kind] ?? `${/^[aeiou]/.test(kind) ? "an" : "a"} ${kind}`;
const measure = (origin: string): string => (origin === "string" || origin === "array" ? "have" : "be");
const unitOf = (origin: string): string => (origin === "string" ? " characters" : origin === "array" ? " entries" : "");

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

interface Identity {
  readonly kind: string;
  /** Where in the item it stands. */
  readonly field: readonly PropertyKey[];
  readonly id: string;
}

/** The ids of an item that its section's schema has passed; a show without one is given one. */
function identify(name: SectionName, item: unknown): Identity[] {
  switch (name) {
    case "cities":
      return [{ kind: "city", field: ["city_id"], id: (item as CatalogueCity).city_id }];
    case "layouts":
      return [{ kind: "layout", field: ["layout_id"], id: (item as CatalogueLayout).layout_id }];
    case "cinemas": {
      const { cinema_id, halls } = item as CatalogueCinema;
      const ids = halls.map(({ hall_id }, i) => ({ kind: "hall", field: ["halls", i, "hall_id"], id: hall_id }));
      return [{ kind: "cinema", field: ["cinema_id"], id: cinema_id }, ...ids];
    }
    case "movies":
      return [{ kind: "movie", field: ["movie_id"], id: (item as CatalogueMovie).movie_id }];
    case "shows": {
      const show = item as CatalogueShow;
      const field = show.show_id === undefined ? "starts_at" : "show_id";
      show.show_id ??= showIdOf(show);
      return [{ kind: "show", field: [field], id: show.show_id }];
    }
    default:
      return assertNever(name);
  }
}

interface IdContext {
  readonly path: readonly PropertyKey[];
  readonly seen: Set<string>;
  readonly issues: Issues;
}

function checkIds(identities: readonly Identity[], { path, seen, issues }: IdContext): void {
  for (const { kind, field, id } of identities) {
    const key = `${kind} ${id}`;
    if (seen.has(key)) issues.add([...path, ...field], `${JSON.stringify(id)} is already in the document`);
    seen.add(key);
  }
}

/** The same at every import: a hall shows one thing at a time. */
function showIdOf(show: CatalogueShow): string {
  const source = `${show.hall_id} ${instantMs(show.starts_at)}`;
  return readableId(createHash("sha256").update(source).digest());
}
