// Conditions by their text, since the same few come again and again; texts that are none as well.
import { limits } from "../limits.ts";
import { parseCondition, type ParsedCondition } from "./condition.ts";

interface Kept {
  readonly parsed: ParsedCondition;
  /** Since the last time that something had to go. */
  wasUsed: boolean;
}

/**
 * Keeps what was used lately: whoever was used since the last look stays once more (the clock algorithm), so that a hit moves nothing.
 * Bounded in entries, and in characters because a tree is many times larger than its text.
 */
export class ConditionCache {
  /** The order of a map is that of insertion: the first entry is the one that is looked at next. */
  readonly #keptByText = new Map<string, Kept>();
  #chars = 0;

  /** As `parseCondition`. */
  parse(text: string): ParsedCondition {
    const known = this.#keptByText.get(text);
    if (known !== undefined) {
      known.wasUsed = true;
      return known.parsed;
    }
    const parsed = parseCondition(text);
    if (text.length > limits.conditionBytes) return parsed;
    this.#chars += text.length;
    this.#keptByText.set(text, { parsed, wasUsed: false });
    for (const [oldest, kept] of this.#keptByText) {
      if (this.#keptByText.size <= limits.conditionsCached && this.#chars <= limits.conditionsCachedChars) break;
      this.#keptByText.delete(oldest);
      if (kept.wasUsed || oldest === text) this.#keptByText.set(oldest, { parsed: kept.parsed, wasUsed: false });
      else this.#chars -= oldest.length;
    }
    return parsed;
  }
}
