// Which children have not heard yet how the path above this node is now. A path that changes is told at once; one that goes on changing
// at most every `everyMs`, however many children there are.
import type { ChildPresence } from "#shared/link/child-presence.ts";

export class PathNews {
  readonly #everyMs: number;
  /** By child, the version that it was told last. */
  readonly #told = new Map<string, number>();
  /** When all were told last because it changed, of the clock that never steps, and of which version. */
  #toldAllMs = -Infinity;
  #toldAll = 0;

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** `child` is told now. */
  tell(child: string, version: number): void {
    this.#told.set(child, version);
  }

  knows(child: string, version: number): boolean {
    return this.#told.get(child) === version;
  }

  /** Who is to be told at once, and counts as told from here on. Those who have not been greeted hear it with their greeting. */
  due(children: Iterable<ChildPresence>, version: number, monotonicMs: number): readonly string[] {
    if (version === this.#toldAll || monotonicMs - this.#toldAllMs < this.#everyMs) return [];
    this.#toldAll = version;
    const due: string[] = [];
    for (const { name, state } of children)
      if (state === "online" && this.#told.has(name) && !this.knows(name, version)) due.push(name);
    if (due.length > 0) this.#toldAllMs = monotonicMs;
    for (const name of due) this.tell(name, version);
    return due;
  }
}
