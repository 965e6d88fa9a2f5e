// The shape of what a node answers, checked where it comes in. Fields that a newer node adds pass.
import * as v from "valibot";
import { levels } from "#shared/ids.ts";
import { type LossReason, lossReasonCodes } from "#shared/journal/segment.ts";
import type { AccountingReport, ConditionReport, DataLine, RangeReport, StatusReport } from "#shared/reports.ts";

const text = v.string();
const count = v.pipe(v.number(), v.integer());
const level = v.picklist(levels);
const lossReason = v.custom<LossReason>((value) => typeof value === "string" && Object.hasOwn(lossReasonCodes, value));

const streamEntries = {
  origin: text,
  epoch: count,
  stream: text,
  next: count,
  stored: count,
  lost: count,
  pending: count,
  here: count,
  hereBytes: count,
  below: count,
  elsewhere: count,
  overdue: v.exactOptional(count),
  heardAt: text,
  balanced: v.boolean(),
};

const placeEntries = {
  level,
  zone: v.exactOptional(text),
  tags: v.array(text),
  lat: v.exactOptional(v.number()),
  lon: v.exactOptional(v.number()),
  class: v.exactOptional(text),
};

export const statusSchema: v.GenericSchema<unknown, StatusReport> = v.looseObject({
  node: v.looseObject({
    name: text,
    ...placeEntries,
    uuid: text,
    epoch: count,
    version: text,
    pid: count,
    startedAt: text,
    now: text,
  }),
  uplink: v.looseObject({
    state: v.picklist(["none", "up", "down"]),
    since: text,
    url: v.exactOptional(text),
    reason: v.exactOptional(text),
    path: v.array(v.looseObject({ node: text, level, uplink: v.picklist(["up", "down", "root"]), since: text })),
  }),
  network: v.exactOptional(
    v.looseObject({
      conclusion: text,
      since: text,
      reason: v.exactOptional(text),
      children: v.looseObject({ online: count, lost: count, left: count, awaited: count }),
      lost: v.array(text),
    }),
  ),
  below: v.array(
    v.looseObject({
      node: text,
      parent: text,
      ...placeEntries,
      state: v.picklist(["online", "lost", "left"]),
      since: text,
      ageMs: v.number(),
    }),
  ),
  streams: v.array(v.looseObject(streamEntries)),
  oldestPendingAt: v.exactOptional(text),
  store: v.looseObject({ usedBytes: v.number(), maxBytes: v.number(), refusing: v.exactOptional(text) }),
  journal: v.exactOptional(
    v.looseObject({
      state: v.picklist(["accepting", "evicting", "refusing"]),
      since: text,
      reason: v.exactOptional(text),
      lost: v.exactOptional(v.array(v.looseObject({ origin: text, stream: text, messages: count, bytes: v.number() }))),
    }),
  ),
  documents: v.exactOptional(
    v.looseObject({ failingSince: v.exactOptional(text), drained: count, quarantined: count }),
  ),
  alarms: v.exactOptional(v.array(v.looseObject({ about: text, reason: text, since: v.exactOptional(text) }))),
  counters: v.record(text, v.number()),
});

export const conditionSchema: v.GenericSchema<unknown, ConditionReport> = v.looseObject({
  condition: text,
  nodes: v.array(
    v.looseObject({
      node: text,
      parent: v.exactOptional(text),
      result: v.picklist(["true", "false", "unknown"]),
      why: text,
    }),
  ),
});

export const accountingSchema: v.GenericSchema<unknown, readonly AccountingReport[]> = v.array(
  v.looseObject({
    ...streamEntries,
    lostRanges: v.array(v.looseObject({ first: count, last: count, reason: lossReason })),
  }),
);

const numbers = { first: count, last: count };

export const rangeSchema: v.GenericSchema<unknown, readonly RangeReport[]> = v.array(
  v.looseObject({
    origin: text,
    epoch: count,
    stream: text,
    from: text,
    to: text,
    stored: v.exactOptional(
      v.looseObject({
        messages: count,
        numbers: v.exactOptional(v.looseObject(numbers)),
        missing: count,
        missingRanges: v.array(v.looseObject(numbers)),
        settled: v.boolean(),
      }),
    ),
    here: count,
    lost: count,
    lostRanges: v.array(
      v.looseObject({ ...numbers, reason: lossReason, from: v.exactOptional(text), to: v.exactOptional(text) }),
    ),
    below: count,
    heardAt: text,
  }),
);

export const dataLineSchema: v.GenericSchema<unknown, DataLine> = v.looseObject({
  cursor: count,
  origin: text,
  epoch: count,
  stream: text,
  seq: count,
  time: text,
  historical: v.exactOptional(v.literal(true)),
  maybeDuplicate: v.exactOptional(v.literal(true)),
  timeUncertain: v.exactOptional(v.literal(true)),
  topic: text,
  payload: v.exactOptional(text),
  payloadBase64: v.exactOptional(text),
});
