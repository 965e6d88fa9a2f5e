// Texts that are the same on every node: half of a surrogate pair by itself has no form in UTF-8, and would arrive as another character.
import type { PlainValue } from "./plain-value.ts";

export const notWellFormed = "a text in it is no Unicode: half of a surrogate pair stands by itself";

/** Of all texts and names in it. */
export function isWellFormed(value: PlainValue): boolean {
  if (typeof value === "string") return value.isWellFormed();
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return true;
  return Object.entries(value).every(([name, entry]) => name.isWellFormed() && isWellFormed(entry));
}
