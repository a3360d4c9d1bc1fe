// Which news an endpoint is told: names (`hold.expired`), families (`booking.*`), or all (`*`).

import { NEWS_TYPES, type NewsType } from "../../shared/protocol/show-news.ts";
import { ok, type Parsed, wrong } from "./parsed.ts";

export const EVENTS_DEFAULT = "booking.*,payment.*,ticket.*,show.cancelled,hold.expired";
const ALL = "*";
const SHOWN_LENGTH_MAX = 40;
/** A word further away than that is another word. */
const DISTANCE_MAX = 3;

const FAMILIES: readonly string[] = [...new Set(NEWS_TYPES.map((type) => `${type.split(".")[0]}.*`))];

/** In the order of NEWS_TYPES, each once. */
export function parseEvents(text: string): Parsed<readonly NewsType[]> {
  const words = text.split(/[\s,]+/).filter((part) => part !== "");
  if (words.length === 0) return wrong("names no event");
  const unknown = [...new Set(words.filter((word) => !NEWS_TYPES.some((type) => isMeant(word, type))))];
  if (unknown.length > 0) return wrong(unknown.map(problemOf).join("; "));
  return ok(NEWS_TYPES.filter((type) => words.some((word) => isMeant(word, type))));
}

function isMeant(word: string, type: NewsType): boolean {
  return word === ALL || word === type || (FAMILIES.includes(word) && type.startsWith(word.slice(0, -1)));
}

function problemOf(word: string): string {
  const shown = JSON.stringify(word.slice(0, SHOWN_LENGTH_MAX));
  const hint = nearest(word);
  if (hint !== undefined) return `knows no event ${shown} (did you mean "${hint}"?)`;
  return `knows no event ${shown} (there are ${FAMILIES.join(", ")} and *)`;
}

/** The same word in other letters or with a slip of the pen, or of a known family. */
function nearest(word: string): string | undefined {
  const asked = word.slice(0, SHOWN_LENGTH_MAX).toLowerCase().replaceAll("_", ".");
  const known = [...NEWS_TYPES, ...FAMILIES]
    .map((name) => ({ name, distance: editDistance(asked, name) }))
    .sort((a, b) => a.distance - b.distance)[0];
  if (known !== undefined && known.distance <= DISTANCE_MAX) return known.name;
  return FAMILIES.find((family) => `${asked.split(".")[0]}.*` === family);
}

/** Levenshtein's, row by row. */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1));
    }
    above = row;
  }
  return above[b.length] ?? 0;
}
