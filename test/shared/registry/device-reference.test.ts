import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type DeviceNames,
  type DeviceReference,
  formatDeviceReference,
  isDeviceMeant,
  parseDeviceReference,
  usualTopicFocus,
} from "#shared/registry/device-reference.ts";
import { madeId, madeLevel } from "./made-device.ts";

const uuid = "0b9de1a4-2cf7-4e5c-9a75-0f2f3f1d5c11";

const madeDevice: fc.Arbitrary<DeviceNames> = fc
  .record({ host: madeLevel(20), uniqueId: madeId, deviceClass: madeLevel(20), deviceZone: madeLevel(20) })
  .map((names) => ({ ...names, topicFocus: usualTopicFocus(names) }));

test("[U1] a device is found by each of its names, written as it is and read back", () => {
  fc.assert(
    fc.property(madeDevice, (device) => {
      const references: readonly DeviceReference[] = [
        { by: "id", id: device.uniqueId },
        { by: "host", host: device.host },
        { by: "class", deviceClass: device.deviceClass },
        { by: "zone", zone: device.deviceZone },
        { by: "topic", topicFocus: device.topicFocus },
      ];
      for (const reference of references) {
        const read = parseDeviceReference(formatDeviceReference(reference));
        expect(read).toEqual(reference);
        expect(isDeviceMeant(reference, device)).toBe(true);
      }
    }),
  );
});

test("[U1] a name means no device that has another", () => {
  fc.assert(
    fc.property(madeDevice, madeDevice, (one, other) => {
      const means = (text: string): boolean => {
        const reference = parseDeviceReference(text);
        return reference !== undefined && isDeviceMeant(reference, other);
      };
      expect(means(`host:${one.host}`)).toBe(one.host === other.host);
      expect(means(`class:${one.deviceClass}`)).toBe(one.deviceClass === other.deviceClass);
      expect(means(`zone:${one.deviceZone}`)).toBe(one.deviceZone === other.deviceZone);
      expect(means(`id:${one.uniqueId.value}`)).toBe(one.uniqueId.value === other.uniqueId.value);
      expect(means(one.topicFocus)).toBe(one.topicFocus === other.topicFocus);
    }),
  );
});

test("[U1] [U-T15] what people write without saying what it is", () => {
  const read: Readonly<Record<string, DeviceReference>> = {
    "42": { by: "id", id: { type: "uint32", value: 42 } },
    "0x2A": { by: "id", id: { type: "uint32", value: 42 } },
    [uuid.toUpperCase()]: { by: "id", id: { type: "uuid", value: uuid } },
    "10.0.0.1": { by: "host", host: "10.0.0.1" },
    "fe80::1": { by: "host", host: "fe80::1" },
    "host:42": { by: "host", host: "42" },
    "host:host:x": { by: "host", host: "host:x" },
    "/hall-1/42/light": { by: "topic", topicFocus: "/hall-1/42/light" },
    "/utopia": { by: "topic", topicFocus: "/utopia" },
  };
  for (const [text, reference] of Object.entries(read))
    expect([text, parseDeviceReference(text)]).toEqual([text, reference]);
});

test("[U1] the usual topic focus names the device whatever form its id has; a topic of its own as it is written", () => {
  const names = { host: "hall-1", uniqueId: { type: "uint32", value: 42 }, deviceClass: "light" } as const;
  const device = { ...names, deviceZone: "hall", topicFocus: usualTopicFocus(names) };
  const finds = (text: string): boolean => {
    const reference = parseDeviceReference(text);
    return reference !== undefined && isDeviceMeant(reference, device);
  };
  expect(["/hall-1/42/light", "/hall-1/0x2a/light"].map(finds)).toEqual([true, true]);
  const others = ["/hall-1/43/light", "/hall-1/42/lamp", "/hall/42/light", "hall-1/42/light", "/hall-1/42/light/"];
  expect(others.filter(finds)).toEqual([]);
});

test("[U1] texts that can name nothing", () => {
  const none = [
    "",
    "a/b",
    "a+",
    "#",
    "id:",
    "id:x",
    "class:",
    "zone:a/b",
    "host:",
    "/a/+",
    "x".repeat(129),
    "\0",
    "a\nb",
  ];
  expect(none.filter((text) => parseDeviceReference(text) !== undefined)).toEqual([]);
});
