// What is wrong with an input, in the house's words: one message a field, made from what its schema says about it, so
// that every way of being wrong says what would be right. A message that a schema brings along is kept.
// Costs a second parse and, once a schema, its JSON form: only what was refused pays.

import { z } from "@hono/zod-openapi";
import type { FieldError } from "./problem.ts";
import { safeParse } from "./safe-parse.ts";

/** Nobody reads more; a body of 16 KiB could hold thousands. */
const ERRORS_MAX = 20;
const FIELD_NAME_SHOWN_MAX = 64;

/** As far as the words need it. */
interface Described {
  readonly type?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Described>>;
  readonly additionalProperties?: Described | boolean;
  readonly items?: Described;
  readonly anyOf?: readonly Described[];
}

const described = new WeakMap<z.ZodType, Described>();

function describe(schema: z.ZodType): Described {
  const known = described.get(schema);
  if (known !== undefined) return known;
  const made = z.toJSONSchema(schema, { io: "input", unrepresentable: "any", reused: "inline" }) as Described;
  described.set(schema, made);
  return made;
}

type Path = readonly PropertyKey[];

/** `input` was refused by `schema`. An unknown field is named itself, not its parent. `what`: what the parts are called. */
export function fieldErrors(schema: z.ZodType, input: unknown, what: "field" | "parameter"): FieldError[] {
  const whole = describe(schema);
  const error = (issue: {
    readonly code?: string | undefined;
    readonly path?: Path | undefined;
  }): string | undefined =>
    issue.code === "unrecognized_keys" || issue.code === "invalid_key" ? undefined : words(partAt(whole, issue.path));
  const issues = safeParse(schema, input, { error }).error?.issues ?? [];
  const errors = new Map<string, FieldError>();
  for (const issue of issues) {
    if (issue.code === "unrecognized_keys") {
      for (const key of issue.keys.slice(0, ERRORS_MAX)) {
        add(errors, [...issue.path, key.slice(0, FIELD_NAME_SHOWN_MAX)], `is not a ${what} here`);
      }
    } else if (issue.code === "invalid_key") add(errors, issue.path, issue.issues[0]?.message ?? issue.message);
    else add(errors, issue.path, isMissing(input, issue.path) ? "is required" : issue.message);
    if (errors.size >= ERRORS_MAX) break;
  }
  return [...errors.values()].slice(0, ERRORS_MAX);
}

/** Two checks of one field may say the same. */
function add(errors: Map<string, FieldError>, path: Path, message: string): void {
  const field = path.length === 0 ? "body" : path.map(String).join(".");
  errors.set(`${field}\n${message}`, { field, message });
}

function isMissing(input: unknown, path: Path): boolean {
  let value = input;
  for (const key of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, key)) return true;
    value = (value as Readonly<Record<PropertyKey, unknown>>)[key];
  }
  return value === undefined;
}

/** The part of the schema that a path into its input meets. */
function partAt(whole: Described, path: Path = []): Described {
  let part: Described = whole;
  for (const key of path) {
    const { properties, items, additionalProperties } = presentPart(part);
    const own = properties !== undefined && Object.hasOwn(properties, key) ? properties[String(key)] : undefined;
    part = own ?? items ?? (typeof additionalProperties === "object" ? additionalProperties : {});
  }
  return part;
}

/** Without the `null` that may stand in its place. */
const presentPart = (part: Described): Described => part.anyOf?.find(({ type }) => type !== "null") ?? part;

const isNullable = (part: Described): boolean => part.anyOf?.some(({ type }) => type === "null") === true;

const words = (part: Described): string => `must be ${kindOf(presentPart(part))}${isNullable(part) ? " or null" : ""}`;

function kindOf(part: Described): string {
  if (part.enum !== undefined) return `one of ${part.enum.join(", ")}`;
  switch (part.type) {
    case "integer":
      return `a whole number${rangeOf(part.minimum, part.maximum)}`;
    case "number":
      return `a number${rangeOf(part.minimum, part.maximum)}`;
    case "boolean":
      return "true or false";
    case "string":
      return `a string${sizeOf(part.minLength, part.maxLength, "characters")}`;
    case "array":
      return `an array${sizeOf(part.minItems, part.maxItems, part.items?.type === "string" ? "strings" : "entries")}`;
    case "object":
      return "an object";
    default:
      return "of another kind";
  }
}

/** A bound that every whole number keeps is none. */
const isBound = (bound: number | undefined): bound is number =>
  bound !== undefined && Math.abs(bound) < Number.MAX_SAFE_INTEGER;

function rangeOf(from: number | undefined, to: number | undefined): string {
  if (isBound(from)) return isBound(to) ? ` from ${from} to ${to}` : ` of at least ${from}`;
  return isBound(to) ? ` of at most ${to}` : "";
}

function sizeOf(from: number | undefined, to: number | undefined, unit: string): string {
  if (from !== undefined && from > 0)
    return to === undefined ? ` of at least ${from} ${unit}` : ` of ${from} to ${to} ${unit}`;
  return to === undefined ? "" : ` of at most ${to} ${unit}`;
}
