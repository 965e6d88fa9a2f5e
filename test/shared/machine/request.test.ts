import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeCbor } from "#shared/cbor.ts";
import { encodeReply, isCborMap, parseJson, parseRequest } from "#shared/machine/request.ts";
import { limits } from "#shared/limits.ts";

const json = (text: string) => new TextEncoder().encode(text);

test("an object is the envelope, any other JSON value is the arguments", () => {
  expect(parseRequest(json('{"args":[1],"if":"true","ttl":2.5,"reply":"/my/answers"}'), "call")).toMatchObject({
    args: [1],
    condition: "true",
    ttlMs: 2500,
    reply: "/my/answers",
    encoding: "json",
  });
  for (const [text, args] of [
    ["7", 7],
    ['"x"', "x"],
    ["null", null],
    ["[1,{}]", [1, {}]],
  ] as const) {
    expect(parseRequest(json(text), "call")).toMatchObject({ args, condition: "", ttlMs: limits.callTtlMs });
  }
});

test("a CBOR map is the envelope too, and the answer comes in CBOR", () => {
  const bytes = encodeCbor(
    new Map<string, unknown>([
      ["args", new Map([["on", true]])],
      ["ttl", 3],
    ]),
  );
  expect(isCborMap(bytes)).toBe(true);
  expect(parseRequest(bytes, "call")).toMatchObject({ args: { on: true }, ttlMs: 3000, encoding: "cbor" });
  expect(isCborMap(encodeReply({ final: true }, "cbor"))).toBe(true);
});

test("what cannot be answered keeps as much as an answer needs", () => {
  expect(parseRequest(json('{"id":"00112233445566778899aabbccddeeff","reply":"/r","x":1}'), "call")).toMatchObject({
    refused: expect.stringContaining('no field "x"'),
    id: "00112233445566778899aabbccddeeff",
    reply: "/r",
  });
});

test("keys that mean something to JavaScript are data", () => {
  const request = parseRequest(json('{"args":{"__proto__":{"polluted":1},"constructor":2}}'), "call");
  expect("args" in request && JSON.parse(new TextDecoder().decode(encodeReply(request.args, "json")))).toEqual(
    JSON.parse('{"__proto__":{"polluted":1},"constructor":2}'),
  );
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

test("random bytes give a request or a refusal, never a throw", () => {
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.json().map(json)), (bytes) => {
      const request = parseRequest(bytes, "call");
      expect("refused" in request || request.ttlMs > 0).toBe(true);
    }),
  );
});

test("values come back as they went, in either encoding", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      const text = JSON.stringify(value);
      const plain = parseJson(json(text)) ?? null;
      expect(JSON.parse(new TextDecoder().decode(encodeReply(plain, "json")))).toEqual(JSON.parse(text));
    }),
  );
});

test("what MQTT 5 says about the life of the message holds where the body says nothing, in bounds", () => {
  const lives = (text: string, expiryMs: number | undefined) => {
    const request = parseRequest(json(text), "event", { expiryMs });
    return "refused" in request ? request.refused : request.ttlMs;
  };
  expect([lives("7", 5_000), lives("{}", 5_000), lives('{"ttl":2}', 5_000)]).toEqual([5_000, 5_000, 2_000]);
  expect([lives("7", undefined), lives("{}", undefined)]).toEqual([limits.callTtlMs, limits.callTtlMs]);
  expect([lives("7", 4e12), lives("{}", 4e12)]).toEqual([limits.callTtlMsMax, limits.callTtlMsMax]);
  for (const text of ["7", "{}"]) expect(lives(text, 0)).toMatch(/^ttl must be/);
});
