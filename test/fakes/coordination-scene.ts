// Sessions of an embedded coordinator in memory, for tests of what stands on the port, and one whose hold the test tells.
import { afterEach } from "vitest";
import { openSqlDatabase } from "#agent/store/sql-database.ts";
import type { Coordinator, Hold } from "#cloud/coordination/coordinator.ts";
import { coordinationMigrations, openEmbeddedCoordination } from "#cloud/coordination/embedded-coordinator.ts";

/** What is pushed is disposed after each test, the last first. */
export function openStack(): AsyncDisposable[] {
  const stack: AsyncDisposable[] = [];
  afterEach(async () => {
    for (const one of stack.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  });
  return stack;
}

/** A way to open sessions on one new tree. */
export async function openSessions(stack: AsyncDisposable[]): Promise<() => Coordinator> {
  const coordination = await openEmbeddedCoordination(await openSqlDatabase(":memory:", coordinationMigrations));
  stack.push(coordination);
  return () => {
    const session = coordination.open();
    stack.push(session);
    return session;
  };
}

/** A coordinator whose hold the test tells; undefined: what it is really. */
export function holdable(first: Coordinator) {
  let real = first;
  const listeners = new Set<(hold: Hold) => void>();
  let said: Hold | undefined;
  const coordinator: Coordinator = {
    get hold() {
      return said ?? real.hold;
    },
    get heldUntilMs() {
      return real.heldUntilMs;
    },
    onHold(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    get: (path) => real.get(path),
    list: (path) => real.list(path),
    change: (changes) => real.change(changes),
    sync: () => real.sync(),
    watch: (path, below, changed) => real.watch(path, below, changed),
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  };
  return {
    coordinator,
    say: (hold: Hold | undefined): void => {
      said = hold;
      for (const listener of listeners) listener(coordinator.hold);
    },
    /** Goes on with another session; watches of the first one stay where they are. */
    use: (next: Coordinator): void => {
      real = next;
    },
  };
}
