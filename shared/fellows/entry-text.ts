// The texts of entries in the coordinator: short JSON objects. Fields that nobody here knows are passed over: a newer server may write more.
import { limits } from "../limits.ts";

export type EntryFields = Readonly<Record<string, unknown>>;

/** Undefined for what is no object, or longer than an entry may be. */
export function parseEntry(text: string): EntryFields | undefined {
  if (text.length > limits.entryChars) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A finite number from 0 on. */
export function isWeight(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

function isFields(value: unknown): value is EntryFields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
