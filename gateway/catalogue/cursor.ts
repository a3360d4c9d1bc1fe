// The cursor of `GET /v1/movies`: where the page before ended. Opaque to clients; says nothing that the page did not.

import { textFault } from "../http/validation.ts";
import type { MovieKey } from "./queries.ts";

/** A title has at most 240 characters, an id 40. */
const CURSOR_CHARACTERS_MAX = 2_000;

export const writeCursor = ({ title, movieId }: MovieKey): string =>
  Buffer.from(JSON.stringify([title, movieId])).toString("base64url");

/** `undefined` when the text is no cursor of ours. */
export function readCursor(text: string): MovieKey | undefined {
  if (text.length > CURSOR_CHARACTERS_MAX || !/^[\w-]+$/.test(text)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [title, movieId] = value as unknown[];
  if (typeof title !== "string" || typeof movieId !== "string") return undefined;
  return (textFault(title) ?? textFault(movieId)) ? undefined : { title, movieId };
}
