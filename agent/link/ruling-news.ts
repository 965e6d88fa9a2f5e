// Of names that two nodes bear: what each child was last told in its session.
import type { NameRuling } from "#shared/link/name-rulings.ts";
import { limits } from "#shared/limits.ts";

export class RulingNews {
  readonly #told = new Map<string, string>();

  /** A session begins: the child knows of none. */
  begin(child: string): void {
    this.#told.delete(child);
  }

  /** What the next heartbeat says of `all` that stand now: nothing when the child knows it. */
  take(child: string, all: readonly NameRuling[]): { readonly rulings?: readonly NameRuling[] } {
    const rulings = all.slice(0, limits.namesDisputed);
    const news = JSON.stringify(rulings);
    if (this.#told.get(child) === news) return {};
    this.#told.set(child, news);
    return { rulings };
  }
}
