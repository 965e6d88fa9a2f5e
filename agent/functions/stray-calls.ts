// What is published where calls and events are, but names none: refused instead of acknowledged, since nobody would ever answer it.
import { matchesFilter } from "#shared/mqtt/topic.ts";
import type { Bus } from "#shared/system/bus.ts";
import {
  eventFilterOf,
  functionFilter,
  levelCallFilter,
  levelFunctionFilter,
  machineCancelFilter,
} from "#shared/topics.ts";

const taken: readonly { readonly below: string; readonly filters: readonly string[] }[] = [
  { below: "/machine/functions/#", filters: [functionFilter] },
  { below: "/machine/events/#", filters: [eventFilterOf("internal"), eventFilterOf("external")] },
  { below: "/machine/calls/#", filters: [machineCancelFilter] },
  { below: "/level/functions/#", filters: [levelFunctionFilter] },
  { below: "/level/calls/#", filters: [levelCallFilter] },
];

/** Until it is disposed; `refused`: so many so far. */
export function refuseStrayCalls(bus: Pick<Bus, "intercept">): Disposable & { readonly refused: () => number } {
  const stack = new DisposableStack();
  let refused = 0;
  for (const { below, filters } of taken) {
    stack.use(
      bus.intercept(below, ({ topic }, settle) => {
        if (filters.some((filter) => matchesFilter(filter, topic))) {
          settle({ type: "pass" });
          return;
        }
        refused++;
        const reason = `"${topic.slice(0, 80)}" is neither a call nor an event: publish on ${filters.join(" or ")}`;
        settle({ type: "refuse", reason, now: true });
      }),
    );
  }
  return { refused: () => refused, [Symbol.dispose]: () => stack.dispose() };
}
