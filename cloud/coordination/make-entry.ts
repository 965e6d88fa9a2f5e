// An entry that is to be there, with those above it.
import type { Coordinator } from "./coordinator.ts";
import { ancestorsOf, rootPath } from "./entry-path.ts";

/** Makes what is missing, empty and lasting. Somebody else may make it at the same time. */
export async function makeEntry(coordinator: Coordinator, path: string): Promise<void> {
  if ((await coordinator.read(path)) !== undefined) return;
  const missing = [path, ...ancestorsOf(path)].filter((one) => one !== rootPath).toReversed();
  // One by one: which are there already is not known.
  for (const one of missing) await coordinator.run([{ type: "create", path: one, data: new Uint8Array() }]);
}
