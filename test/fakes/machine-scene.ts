// Makes machine messages and the surroundings of a core, for tests of shared/machine.
import { parseNodeName } from "#shared/ids.ts";
import { phases, type Envelope } from "#shared/machine/envelope.ts";
import type { NeighbourView, World } from "#shared/machine/neighbour.ts";

export const messageId = "00112233445566778899aabbccddeeff";

/** A call of `cloud-1` at time 0 that lives for ten seconds, but for what is `given`. */
export function envelopeOf(given: Partial<Envelope> = {}): Envelope {
  return {
    id: messageId,
    kind: "function",
    name: "blink",
    args: null,
    condition: "",
    origin: parseNodeName("cloud-1"),
    deadlineMs: 10_000,
    mode: "async",
    hops: 0,
    scope: "subtree",
    encoding: "json",
    startAtMs: undefined,
    minNodes: 0,
    confirm: 0,
    durable: false,
    timeMs: 10,
    phase: phases.begin,
    look: 0,
    wantsAll: false,
    ...given,
  };
}

export function neighbourOf(name: string, given: Partial<NeighbourView> = {}): NeighbourView {
  return {
    key: parseNodeName(name),
    name: parseNodeName(name),
    state: "online",
    sinceMs: 5,
    session: 1,
    below: 0,
    ...given,
  };
}

/** A world in which everybody may match and every function is offered. */
export function worldOf(nowMs: number, neighbours: readonly NeighbourView[], given: Partial<World> = {}): World {
  return {
    nowMs,
    monotonicMs: nowMs,
    neighbours: () => neighbours,
    neighbour: (key) => neighbours.find((one) => one.key === key),
    mayHoldBelow: () => true,
    offers: () => true,
    isOfferAwaited: () => false,
    ...given,
  };
}
