// Says the last word of a call once its row on disk has gone. The other way round a node that is killed in between would find the row,
// go on with the call, and say a second one [T5]. Killed in the moment after it, it says none: so small is the choice.
import type { Effect } from "#shared/machine/effect.ts";

type LastWord = Effect & { readonly type: "reply" };

export class LastWords {
  readonly #drop: (id: string) => Promise<unknown>;
  readonly #say: (word: LastWord) => void;

  /** `drop` resolves when the row has gone. Where it fails the word is said nevertheless. */
  constructor(drop: (id: string) => Promise<unknown>, say: (word: LastWord) => void) {
    this.#drop = drop;
    this.#say = say;
  }

  /** Takes out what it does itself, and answers the rest. */
  take(effects: readonly Effect[]): readonly Effect[] {
    const words = new Map<string, LastWord[]>();
    for (const effect of effects) if (effect.type === "drop") words.set(effect.id, []);
    if (words.size === 0) return effects;
    for (const effect of effects) if (isLastWord(effect)) words.get(effect.envelope.id)?.push(effect);
    return effects.filter((effect) => {
      if (isLastWord(effect)) return !words.has(effect.envelope.id);
      if (effect.type !== "drop" || words.get(effect.id)?.length === 0) return true;
      this.#end(effect.id, words.get(effect.id) ?? []);
      return false;
    });
  }

  #end(id: string, words: readonly LastWord[]): void {
    const say = (): void => words.forEach((word) => this.#say(word));
    this.#drop(id).then(say, say);
  }
}

function isLastWord(effect: Effect): effect is LastWord {
  return effect.type === "reply" && effect.report.isFinal;
}
