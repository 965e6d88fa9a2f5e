// What of a child outlives this process, so that a restarted parent knows whom it has lost, and what cannot concern them.
import { isInDoubt, type ChildPresence } from "#shared/link/child-presence.ts";
import type { ChildRow } from "../store/child-repository.ts";

export function knownChildOf(child: ChildPresence): ChildRow {
  const { name, uuid, session, conn, place, state, sinceMs } = child;
  return { name, uuid, session, conn, place, state, sinceMs, isLeaf: isLeaf(child) };
}

/** The last that it has said is that nothing is below it. One that is kept out for its name has not been listened to. */
export function isLeaf(child: ChildPresence): boolean {
  const { epoch, isKeptOut, descendants, wasLeaf } = child;
  if (epoch === undefined) return wasLeaf === true;
  return isKeptOut !== true && descendants.length === 0 && !isInDoubt(child);
}
