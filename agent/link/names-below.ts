// Whom a hello or a heartbeat names below a child.
import type { NodeName } from "#shared/ids.ts";
import type { Descendant } from "#shared/link/hello.ts";

/** Whose messages the child may send besides its own. */
export function namesOf(
  descendants: readonly Descendant[] | undefined,
  relays: readonly NodeName[] | undefined,
): readonly NodeName[] {
  return [...(descendants ?? []).map(({ name }) => name), ...(relays ?? [])];
}
