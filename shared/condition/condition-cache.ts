// Conditions by their text, since the same few come again and again; texts that are none as well.
import { limits } from "../limits.ts";
import { parseCondition, type ParsedCondition } from "./condition.ts";

/** Keeps what was used last. Bounded in entries, and in characters because a tree is many times larger than its text. */
export class ConditionCache {
  /** The order of a map is that of insertion: the first entry is the one that was not used for longest. */
  readonly #parsedByText = new Map<string, ParsedCondition>();
  #chars = 0;

  /** As `parseCondition`. */
  parse(text: string): ParsedCondition {
    const known = this.#parsedByText.get(text);
    const parsed = known ?? parseCondition(text);
    if (known !== undefined) this.#parsedByText.delete(text);
    else if (text.length > limits.conditionBytes) return parsed;
    else this.#chars += text.length;
    this.#parsedByText.set(text, parsed);
    for (const oldest of this.#parsedByText.keys()) {
      if (this.#parsedByText.size <= limits.conditionsCached && this.#chars <= limits.conditionsCachedChars) break;
      this.#parsedByText.delete(oldest);
      this.#chars -= oldest.length;
    }
    return parsed;
  }
}
