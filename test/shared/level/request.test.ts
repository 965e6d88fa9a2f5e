import { expect, test } from "vitest";
import { encodeCbor } from "#shared/cbor.ts";
import { parseFunctionRequest, parseLevelsRequest } from "#shared/level/request.ts";
import { limits } from "#shared/limits.ts";

const none = { responseTopic: undefined, correlation: undefined, expiryMs: undefined };
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test("a request for this level: named or bare, what is left out is filled in", () => {
  const plain = { args: 7, ttlMs: limits.callTtlMs, id: undefined, reply: undefined, encoding: "json" };
  expect(parseFunctionRequest(bytes("7"), none)).toEqual(plain);
  expect(parseFunctionRequest(bytes('{"args": 7}'), none)).toEqual(plain);
  const map = encodeCbor(new Map<string, unknown>([["args", 7]]));
  expect(parseFunctionRequest(map, none)).toEqual({ ...plain, encoding: "cbor" });
});

test("properties fill in what the body leaves out, an expiry no longer than a call may live", () => {
  const beside = { ...none, responseTopic: "/answers/a", expiryMs: 3_000 };
  expect(parseFunctionRequest(bytes("7"), beside)).toMatchObject({ reply: "/answers/a", ttlMs: 3_000 });
  expect(parseFunctionRequest(bytes('{"reply":"/answers/b","ttl":9}'), beside)).toMatchObject({
    reply: "/answers/b",
    ttlMs: 9_000,
  });
  expect(parseLevelsRequest(bytes("7"), beside)).toMatchObject({ reply: "/answers/a", timeoutMs: 3_000 });
  const forever = { ...none, expiryMs: 0xffff_ffff_000 };
  expect(parseFunctionRequest(bytes("7"), forever)).toMatchObject({ ttlMs: limits.callTtlMsMax });
  expect(parseLevelsRequest(bytes("7"), forever)).toMatchObject({ timeoutMs: limits.levelCallMsMax });
  expect(parseFunctionRequest(bytes("7"), { ...none, expiryMs: 0 })).toMatchObject({
    refused: expect.stringContaining("ttl must be"),
  });
});

test("[C12] a request for several levels: all of them, at once, five seconds, unless it says otherwise", () => {
  expect(parseLevelsRequest(bytes("{}"), none)).toMatchObject({
    args: null,
    condition: "",
    levels: undefined,
    order: "nearest",
    mode: "concurrent",
    timeoutMs: 5_000,
  });
  const full = '{"levels":["cloud","fog-1"],"mode":"sequential","timeoutMs":250,"if":"true","args":[1]}';
  expect(parseLevelsRequest(bytes(full), none)).toMatchObject({
    args: [1],
    condition: "true",
    levels: ["cloud", "fog-1"],
    order: "listed",
    mode: "sequential",
    timeoutMs: 250,
  });
});

test.each([
  ['{"if": "true"}', "a function of this level has no condition"],
  ['{"mode": "sync"}', 'there is no field "mode"'],
  ['{"ttl": "9"}', "ttl must be a number of seconds"],
  ['{"id": 7}', "id must be 32 hexadecimal digits"],
  ['{"reply": "/level/functions/x"}', "reply must be a topic for answers"],
  [JSON.stringify({ args: "x".repeat(limits.callBytes) }), `a call may have ${limits.callBytes} bytes`],
])("what a request for this level may not be: %#", (body, refused) => {
  expect(parseFunctionRequest(bytes(body), none)).toMatchObject({ refused: expect.stringContaining(refused) });
});

test("a refused request keeps what its answer needs", () => {
  const id = "0123456789abcdef0123456789abcdef";
  const body = `{"id": "${id}", "reply": "/answers/a", "modus": 1}`;
  expect(parseLevelsRequest(bytes(body), none)).toMatchObject({ id, reply: "/answers/a", encoding: "json" });
});

test("a text that would be another one at the next node is refused", () => {
  const refused = { refused: expect.stringContaining("no Unicode") as string };
  expect(parseFunctionRequest(bytes('{"args": ["\\ud800"]}'), none)).toMatchObject(refused);
  expect(parseLevelsRequest(bytes('{"args": {"\\ud800": 1}}'), none)).toMatchObject(refused);
  expect(parseFunctionRequest(bytes('{"args": ["\\ud83d\\ude00"]}'), none)).toMatchObject({ args: ["😀"] });
});
