// Who wants to hear of which entries.
import { ancestorsOf, parentOf, rootPath } from "./entry-path.ts";

type Listener = () => void;

export class WatchList {
  readonly #here = new Map<string, Set<Listener>>();
  readonly #below = new Map<string, Set<Listener>>();

  add(path: string, listener: Listener, isRecursive: boolean): Disposable {
    const lists = isRecursive ? this.#below : this.#here;
    // Each call is a watch of its own, also of one listener.
    const own = (): void => listener();
    const list = lists.get(path) ?? new Set();
    lists.set(path, list.add(own));
    return {
      [Symbol.dispose]: () => {
        list.delete(own);
        if (list.size === 0 && lists.get(path) === list) lists.delete(path);
      },
    };
  }

  /** `changes`: paths, and whether each has come or gone. Everybody hears once. */
  tell(changes: Iterable<readonly [path: string, hasComeOrGone: boolean]>): void {
    const heard = new Set<Listener>();
    for (const [path, hasComeOrGone] of changes) {
      add(heard, this.#here.get(path));
      add(heard, this.#below.get(path));
      if (path === rootPath) continue;
      if (hasComeOrGone) add(heard, this.#here.get(parentOf(path)));
      for (const above of ancestorsOf(path)) add(heard, this.#below.get(above));
    }
    for (const listener of heard) listener();
  }
}

function add(heard: Set<Listener>, list: ReadonlySet<Listener> | undefined): void {
  for (const listener of list ?? []) heard.add(listener);
}
