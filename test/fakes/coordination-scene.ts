// Sessions of an embedded coordinator in memory, for tests of what stands on the port, and one whose session state the test tells.
import { afterEach } from "vitest";
import { openSqlDatabase } from "#agent/store/sql-database.ts";
import type { Coordinator, SessionState } from "#cloud/coordination/coordinator.ts";
import { coordinationMigrations } from "#cloud/coordination/embedded/coordination-schema.ts";
import { openEmbeddedCoordination } from "#cloud/coordination/embedded/embedded-coordinator.ts";

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
  const database = await openSqlDatabase(":memory:", coordinationMigrations);
  const coordination = await openEmbeddedCoordination({ database, now: () => 0 });
  stack.push(coordination);
  return () => {
    const session = coordination.open();
    stack.push(session);
    return session;
  };
}

/** A coordinator whose session state the test tells; undefined: what it is really. */
export function suspendable(first: Coordinator) {
  let real = first;
  const listeners = new Set<(state: SessionState) => void>();
  let said: SessionState | undefined;
  const coordinator: Coordinator = {
    get session() {
      return said ?? real.session;
    },
    onSession(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    read: (path) => real.read(path),
    children: (path) => real.children(path),
    run: (operations) => real.run(operations),
    watch: (path, listener, options) => real.watch(path, listener, options),
    now: () => real.now(),
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  };
  const say = (state: SessionState | undefined): void => {
    said = state;
    for (const listener of listeners) listener(coordinator.session);
  };
  return {
    coordinator,
    say,
    /** Goes on with another session; watches of the first one stay where they are. */
    use: (next: Coordinator): void => {
      real = next;
    },
  };
}
