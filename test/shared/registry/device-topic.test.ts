import fc from "fast-check";
import { expect, test } from "vitest";
import { isTopicFilter, matchesFilter } from "#shared/mqtt/topic.ts";
import { deviceTopicFilter, formatDeviceTopic, parseDeviceTopic } from "#shared/registry/device-topic.ts";
import { madeTopic } from "./made-device.ts";

test("[U1] a topic that was made of parts says these parts, and the filter lets it through", () => {
  fc.assert(
    fc.property(madeTopic, (parts) => {
      const topic = formatDeviceTopic(parts);
      expect(parseDeviceTopic(topic)).toEqual(parts);
      expect(matchesFilter(deviceTopicFilter, topic)).toBe(true);
    }),
  );
  expect(isTopicFilter(deviceTopicFilter)).toBe(true);
});

test("[U1] the topics of the document", () => {
  expect(parseDeviceTopic("/10.0.0.1/z1/t-neopixel-strand/i-002A/p-rgb/pixel/7")).toEqual({
    host: { type: "hostname", name: "10.0.0.1" },
    zone: "1",
    deviceClass: "neopixel-strand",
    id: { type: "uint32", value: 42 },
    post: "rgb",
    rest: ["pixel", "7"],
  });
  const uuid = "0b9de1a4-2cf7-4e5c-9a75-0f2f3f1d5c11";
  expect(parseDeviceTopic(`/${uuid.toUpperCase()}/zhall/t-light/i-${uuid}/p-state`)).toMatchObject({
    host: { type: "uuid", value: uuid },
    id: { type: "uuid", value: uuid },
    rest: [],
  });
});

test("[U1] [U-T11] other topics are not taken for one, and no slash is added or dropped", () => {
  const topics = [
    "host/z1/t-light/i-1/p-state", // no leading slash
    "x/host/z1/t-light/i-1/p-state",
    "//z1/t-light/i-1/p-state",
    "/host/1/t-light/i-1/p-state",
    "/host/z/t-light/i-1/p-state",
    "/host/z1/light/i-1/p-state",
    "/host/z1/t-light/i-/p-state",
    "/host/z1/t-light/i-lamp/p-state",
    "/host/z1/t-light/i-123456789/p-state",
    "/host/z1/t-light/i-1/state",
    "/host/z1/t-light/i-1/p-",
    "/host/z1/t-light/i-1",
    "/host/z1/t-light/i-1/p-state/+",
    `/${"h".repeat(129)}/z1/t-light/i-1/p-state`,
    `/host/z1/t-light/i-1/p-state${"/x".repeat(17)}`,
    `/host/z1/t-light/i-1/p-state/${"x".repeat(1024)}`,
    "/data/z1",
    "",
  ];
  expect(topics.filter((topic) => parseDeviceTopic(topic) !== undefined)).toEqual([]);
  expect(parseDeviceTopic("/host/z1/t-light/i-1/p-state/")?.rest).toEqual([""]);
});

test("[U1] whatever the topic, reading it ends, and what it says can be said again", () => {
  const level = fc.constantFrom("", "host", "z1", "t-x", "i-1", "i-0FF", "p-y", "$", "+", "é");
  const near = fc
    .tuple(fc.constantFrom("/h/z1/t-x/i-1/p-y", "/h/z1/t-x/i-0FF/p-y/a/b"), fc.nat(6), level)
    .map(([topic, at, other]) => topic.split("/").with(Math.min(at, 5), other).join("/"));
  let taken = 0;
  fc.assert(
    fc.property(fc.oneof(near, fc.string({ unit: "binary" })), (topic) => {
      const parts = parseDeviceTopic(topic);
      if (parts === undefined) return;
      taken++;
      expect(parseDeviceTopic(formatDeviceTopic(parts))).toEqual(parts);
    }),
    { numRuns: 2_000 },
  );
  expect(taken).toBeGreaterThan(100);
});

test("[U1] parts that no topic can say are refused", () => {
  const parts = parseDeviceTopic("/host/z1/t-light/i-1/p-state");
  if (parts === undefined) throw new Error("it is a device topic");
  const uuid = "0b9de1a4-2cf7-4e5c-9a75-0f2f3f1d5c11";
  const wrong = [
    { ...parts, zone: "a/b" },
    { ...parts, post: "" },
    { ...parts, deviceClass: "+" },
    { ...parts, rest: ["a/b"] },
    { ...parts, host: { type: "hostname", name: uuid } as const },
    { ...parts, id: { type: "uint32", value: 2 ** 32 } as const },
  ];
  for (const one of wrong)
    expect(() => formatDeviceTopic(one)).toThrow(expect.objectContaining({ code: "FOGBANK_TOPIC_INVALID" }));
});
