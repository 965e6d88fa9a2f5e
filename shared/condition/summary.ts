// Whether a condition may hold on any of several nodes, told from what they have reported about themselves.
//
// Nodes that differ only by name and position form a group, in which the name is one of a set and the position lies within a span.
// A condition is evaluated once for each group; what is not known of it may be anything. Only "certainly false" for all of them
// means something: that nobody needs to be asked [T4].
import { evaluateIn } from "./evaluate.ts";
import type { Condition } from "./condition.ts";
import type { StepBudget } from "./step-budget.ts";
import { fieldsOf } from "./subject.ts";
import { anything, between, oneOf } from "./unknown.ts";
import { failure, type Value } from "./value.ts";
import { viewFromElsewhere, type View } from "./view.ts";

/** A node as others know it. */
export interface Member {
  readonly name: string;
  readonly level: string;
  /** Undefined: it has none. */
  readonly zone: string | undefined;
  readonly tags: readonly string[];
  /** Levels below the root; undefined when that is not known. */
  readonly depth: number | undefined;
  /** Absent when a node on the way did not pass it on. */
  readonly site?: Site | undefined;
}

/** What undefined fields mean: the node has none. */
export interface Site {
  /** Degrees. */
  readonly lat: number | undefined;
  readonly lon: number | undefined;
  readonly class: string | undefined;
}

/** Several nodes, as one view for each group of them. */
export type Summary = readonly View[];

/** The summary of `members`. */
export function summarize(members: Iterable<Member>): Summary {
  const groups = Map.groupBy(members, profileOf);
  return [...groups.values()].map((group) => viewFromElsewhere(fieldsOfGroup(group)));
}

/** False: it holds on none of them. True when in doubt, and when `steps` are spent. */
export function mayHoldFor(condition: Condition, summary: Summary, steps: StepBudget): boolean {
  return summary.some((view) => {
    const value = evaluateIn(condition, view, steps);
    if (steps.isSpent) return true;
    return value.type === "unknown" ? value.never !== true : value.type === "bool" && value.value;
  });
}

/** One node as it is known elsewhere. */
export function viewOfMember(member: Member): View {
  return viewFromElsewhere(fieldsOfGroup([member]));
}

/** All nodes that differ from `member` by name and position only, whatever those are. */
export function summarizeAlike(member: Member): Summary {
  const fields = new Map<string, Value>(fieldsOfGroup([member]));
  const { lat, lon } = member.site ?? {};
  fields.set("name", anything);
  if (lat !== undefined) fields.set("lat", anything);
  if (lon !== undefined) fields.set("lon", anything);
  return [viewFromElsewhere(fields)];
}

/** The same for nodes of one group. */
export function profileOf({ level, zone, tags, depth, site }: Member): string {
  const sited = site === undefined ? null : [site.lat === undefined, site.lon === undefined, site.class ?? null];
  return JSON.stringify([level, zone ?? null, tags, depth ?? null, sited]);
}

function fieldsOfGroup(group: readonly Member[]): ReadonlyMap<string, Value> {
  const [{ level, zone, tags, depth, site } = { level: "", zone: undefined, tags: [], depth: undefined }] = group;
  const fields = new Map<string, Value>(fieldsOf({ level, zone, tags, depth, class: site?.class }));
  fields.set("name", oneOf(group.map(({ name }) => name)));
  if (depth === undefined) fields.set("depth", anything);
  if (zone === undefined) fields.set("zone", without("zone"));
  if (site === undefined) return fields;
  if (site.class === undefined) fields.set("class", without("class"));
  fields.set("lat", spanOf("lat", group));
  fields.set("lon", spanOf("lon", group));
  return fields;
}

function spanOf(field: "lat" | "lon", group: readonly Member[]): Value {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  for (const { site } of group) {
    const degrees = site?.[field];
    if (degrees === undefined) return without(field);
    least = Math.min(least, degrees);
    most = Math.max(most, degrees);
  }
  return between(least, most);
}

function without(field: string): Value {
  return failure(`it has no ${field}`);
}
