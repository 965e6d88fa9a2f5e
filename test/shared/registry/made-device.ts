// Names of devices as properties draw them.
import fc from "fast-check";
import type { DeviceHost, DeviceTopic } from "#shared/registry/device-topic.ts";
import type { UniqueId } from "#shared/registry/unique-id.ts";

const hexDigits = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`));

export const madeUuid: fc.Arbitrary<string> = fc
  .tuple(hexDigits(8), hexDigits(4), hexDigits(4), hexDigits(4), hexDigits(12))
  .map((parts) => parts.join("-"));

export const madeId: fc.Arbitrary<UniqueId> = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 32 - 1 }).map((value): UniqueId => ({ type: "uint32", value })),
  madeUuid.map((value): UniqueId => ({ type: "uuid", value })),
);

/** One level of a topic, of 1 to `most` characters of any script; never a uuid. */
export function madeLevel(most: number): fc.Arbitrary<string> {
  return fc
    .string({ unit: "grapheme", minLength: 1, maxLength: Math.min(most, 20) })
    .map((text) => text.replace(/[/+#\p{Cc}]/gu, "_"))
    .filter((text) => text.length <= most);
}

const madeHost: fc.Arbitrary<DeviceHost> = fc.oneof(
  madeLevel(20).map((name): DeviceHost => ({ type: "hostname", name })),
  madeUuid.map((value): DeviceHost => ({ type: "uuid", value })),
);

export const madeTopic: fc.Arbitrary<DeviceTopic> = fc.record({
  host: madeHost,
  zone: madeLevel(20),
  deviceClass: madeLevel(20),
  id: madeId,
  post: madeLevel(20),
  rest: fc.array(fc.oneof(madeLevel(8), fc.constant("")), { maxLength: 6 }),
});
