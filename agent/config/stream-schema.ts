// One group of `streams`: what a stream records, how important it is, and what becomes of it when there is no room.
import * as v from "valibot";
import {
  fullPolicies,
  presetOrder,
  type FullPolicy,
  type Priority,
  type StreamClass,
  type StreamOrder,
} from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import { parseDuration } from "./duration.ts";
import { streamFilterFault } from "./stream-filter.ts";

/** A stream as it is configured. */
export interface StreamConfig {
  /** Unique among the streams of this node; its number and its messages hang on it. */
  readonly name: string;
  /** The first stream with a filter that matches takes a message. */
  readonly filters: readonly string[];
  readonly priority: Priority;
  /** Weight of its part of the budget against that of other streams. */
  readonly share: number;
  readonly order: StreamOrder;
  readonly policy: FullPolicy;
  readonly class: StreamClass;
  /** Bytes that it may keep here; what the whole budget allows when absent. */
  readonly maxBytes?: number;
  /** Age at which a message that is still here goes, milliseconds; none when absent. */
  readonly maxAgeMs?: number;
}

/** What a stream is unless it says otherwise. */
const presets = { priority: 2, share: 1, policy: "oldest", class: "custody" } as const;

const priorities = [0, 1, 2, 3] as const;
const orders = ["strict", "live-first"] as const;
const classes = ["custody", "final"] as const;
const filtersMax = 64;
const shareMax = 1_000;
/** The largest segment fits, as it weighs on the disk. */
const streamBytesMin = 2 * limits.segmentBytes;

const expectedName = "a stream name of 1 to 32 small letters, digits or -, beginning with a letter or digit";
const expectedFilters = `a list of 1 to ${filtersMax} topic filters`;
const expectedPriority = "0 (alarms), 1 (events), 2 (telemetry) or 3 (bulk)";
const expectedShare = `a whole number from 1 to ${shareMax}`;
const expectedBytes = `a whole number of bytes, at least ${streamBytesMin}`;
const expectedAge = 'a duration such as "90s", "15m", "36h" or "7d"';
const expectedStreams = 'a list of groups { name = "…"; filters = ( "…" ); }';

const filter = v.pipe(
  v.string("an MQTT topic filter"),
  v.check(
    (text) => streamFilterFault(text) === undefined,
    (issue) => streamFilterFault(issue.input) ?? "an MQTT topic filter",
  ),
);

const maxAge = v.pipe(
  v.string(expectedAge),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const ms = parseDuration(dataset.value);
    if (ms !== undefined) return ms;
    addIssue({ message: expectedAge });
    return NEVER;
  }),
);

const group = v.strictObject({
  name: v.pipe(v.string(expectedName), v.regex(/^[a-z0-9][a-z0-9-]{0,31}$/, expectedName)),
  filters: v.pipe(
    v.union([v.string(), v.array(v.unknown())], expectedFilters),
    v.transform((value) => (typeof value === "string" ? [value] : value)),
    v.array(filter, expectedFilters),
    v.minLength(1, expectedFilters),
    v.maxLength(filtersMax, expectedFilters),
  ),
  priority: v.optional(v.picklist(priorities, expectedPriority), presets.priority),
  share: v.optional(
    v.pipe(
      v.number(expectedShare),
      v.integer(expectedShare),
      v.minValue(1, expectedShare),
      v.maxValue(shareMax, expectedShare),
    ),
    presets.share,
  ),
  order: v.optional(v.picklist(orders, "strict or live-first")),
  policy: v.optional(v.picklist(fullPolicies, "oldest, newest, decimate or ttl"), presets.policy),
  class: v.optional(v.picklist(classes, "custody or final"), presets.class),
  "max-bytes": v.optional(
    v.pipe(v.number(expectedBytes), v.safeInteger(expectedBytes), v.minValue(streamBytesMin, expectedBytes)),
  ),
  "max-age": v.optional(maxAge),
});

const stream = v.pipe(
  group,
  v.forward(
    v.check(
      (given) => given.policy !== "ttl" || given["max-age"] !== undefined,
      "a max-age in the same group, which this policy goes by",
    ),
    ["policy"],
  ),
  v.transform((given): StreamConfig => {
    const { order, "max-bytes": maxBytes, "max-age": maxAgeMs, ...rest } = given;
    return {
      ...rest,
      order: order ?? presetOrder(rest.priority),
      ...(maxBytes === undefined ? {} : { maxBytes }),
      ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
    };
  }),
);

export const streamsSchema = v.pipe(
  v.array(stream, expectedStreams),
  v.maxLength(limits.streamsPerNode, `at most ${limits.streamsPerNode} streams`),
  v.check(
    (streams) => new Set(streams.map(({ name }) => name)).size === streams.length,
    "streams of different names, each with all of its filters in one group",
  ),
);

/** Names in one group. */
export const streamFields: readonly string[] = Object.keys(group.entries);

/** One line for each of them. */
export const streamsHelp = `what is recorded: the first stream with a filter that matches takes a message. In each group:
  name       of the stream; messages are numbered by it
  filters    MQTT topic filters, such as ( "/data/alarms/#" )
  priority   0 alarms, 1 events, 2 telemetry, 3 bulk: what is sent first, and what gives way last; preset ${presets.priority}
  share      weight of its part of the budget among streams of one priority; preset ${presets.share}
  order      of a backlog: strict (by number; preset of 0 and 1) or live-first (the newest first; preset of 2 and 3)
  policy     when there is no room: oldest (the oldest go, named as lost; preset), newest (new ones are refused),
             decimate (from 80 % on every second segment goes), ttl (only what is older than max-age goes)
  class      custody (kept until the next node has it; preset) or final (kept until the root has it)
  max-bytes  most bytes that it keeps here; preset: what the journal has
  max-age    age at which a message that is still here goes, such as "7d"; preset: none`;
