import { expect, test } from "vitest";
import { readRequestProperties, replyProperties } from "#shared/machine/request-properties.ts";
import { allowedIn, decodeProperties, encodeProperties } from "#shared/mqtt/properties.ts";

const nothing = { responseTopic: undefined, correlation: undefined, expiryMs: undefined };

test("response topic, correlation data and expiry of a publish; of an older client none", () => {
  const correlationData = new Uint8Array([0, 255]);
  const properties = encodeProperties({ responseTopic: "/a", correlationData, userProperties: [["k", "v"]] });
  const read = readRequestProperties({ properties, expirySeconds: 3 });
  expect(read).toEqual({ responseTopic: "/a", correlation: correlationData, expiryMs: 3_000 });
  properties.fill(0);
  expect(read.correlation).toEqual(new Uint8Array([0, 255]));
  expect(readRequestProperties({})).toEqual(nothing);
});

test("an answer carries the correlation data and nothing else", () => {
  const { properties = new Uint8Array() } = replyProperties(new Uint8Array([7]));
  expect(decodeProperties(properties, allowedIn.publish)).toEqual({ correlationData: new Uint8Array([7]) });
  expect(replyProperties(undefined)).toEqual({});
});
