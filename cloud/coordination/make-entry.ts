// An entry that is to be there, with those above it.
import { ChangeRefused, type Coordinator } from "./coordinator.ts";

/** Makes what is missing, empty and lasting. Somebody else may make it at the same time. */
export async function makeEntry(coordinator: Coordinator, path: string): Promise<void> {
  if ((await coordinator.get(path)) !== undefined) return;
  const parts = path.slice(1).split("/");
  for (let depth = 1; depth <= parts.length; depth++) {
    try {
      const above = `/${parts.slice(0, depth).join("/")}`;
      await coordinator.change([{ type: "create", path: above, data: new Uint8Array(0) }]);
    } catch (error) {
      if (!(error instanceof ChangeRefused && error.reason === "exists")) throw error;
    }
  }
}
