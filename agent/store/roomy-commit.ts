// Runs a commit after room has been made for what it brings. What finds none is refused before it is tried; the rest of the commit
// goes on.
import { bytesOf } from "./demands.ts";
import type { Demand, Eviction } from "./eviction.ts";
import type { WriteOutcome, WriteRequest } from "./group-commit.ts";

export interface RoomyCommitDeps {
  readonly eviction: Eviction;
  readonly demandOf: (request: WriteRequest) => Demand | undefined;
  /** One transaction. */
  readonly run: (requests: readonly WriteRequest[]) => readonly WriteOutcome[];
}

/** Answers one outcome per request, in order. */
export function commitInRoom(deps: RoomyCommitDeps, requests: readonly WriteRequest[]): readonly WriteOutcome[] {
  const bytes = requests.reduce((sum, request) => sum + bytesOf(request), 0);
  if (bytes === 0 || deps.eviction.hasRoomFor(bytes)) return deps.run(requests);
  const demands = requests.map((request) => deps.demandOf(request));
  const refusals = refusalsAmong(
    deps,
    demands.filter((demand) => demand !== undefined),
  );
  const outcomes = demands.map((demand) => (demand === undefined ? undefined : refusals.get(demand)));
  const admitted = requests.filter((_, index) => outcomes[index] === undefined);
  const results = admitted.length === 0 ? [] : deps.run(admitted);
  let next = 0;
  return outcomes.map((outcome) => outcome ?? results[next++] ?? { error: new Error("assertion failed: an outcome") });
}

/** Makes room, a step at a time while that helps; answers those that have none after all. */
function refusalsAmong(
  { eviction, run }: RoomyCommitDeps,
  all: readonly Demand[],
): ReadonlyMap<Demand, { readonly error: unknown }> {
  const oversized = eviction.oversized(all);
  const demands = all.filter((demand) => !oversized.has(demand));
  for (let isOver = eviction.isNeeded(demands); isOver; isOver = eviction.refused(demands).size > 0) {
    const [outcome] = run([{ name: "evict", args: { demands } }]);
    if (outcome === undefined || ("value" in outcome && outcome.value === 0)) break;
    // The disk itself may be full: whoever gives back the reserve must hear of that.
    if ("error" in outcome) return new Map(all.map((demand) => [demand, outcome]));
  }
  return new Map([...oversized, ...eviction.refused(demands)].map(([demand, error]) => [demand, { error }]));
}
