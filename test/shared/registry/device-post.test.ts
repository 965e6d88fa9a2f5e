import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeCbor } from "#shared/cbor.ts";
import type { PlainValue } from "#shared/machine/plain-value.ts";
import { readPost, storePost, untypedValue } from "#shared/registry/device-post.ts";
import { parseDeviceTopic, type DeviceTopic } from "#shared/registry/device-topic.ts";

const utf8 = new TextEncoder();

function topicOf(text: string): DeviceTopic {
  const topic = parseDeviceTopic(text);
  if (topic === undefined) throw new Error(`${text} is no device topic`);
  return topic;
}

function valueOf(payload: string | Uint8Array): PlainValue {
  const bytes = typeof payload === "string" ? utf8.encode(payload) : payload;
  return untypedValue(readPost(topicOf("/h/z1/t-x/i-1/p-y"), bytes).posted);
}

test("[U1] a payload is the value, and the levels behind the post are its place", () => {
  const post = readPost(topicOf("/h/z1/t-strand/i-1/p-colour/red"), utf8.encode("5"));
  expect(post).toEqual({ post: "colour", path: ["red"], posted: { type: "text", text: "5" } });
  expect(storePost(undefined, post, untypedValue(post.posted))).toEqual({ colour: { red: 5 } });
});

test("[U1] without a payload the levels behind the post are the value", () => {
  const post = readPost(topicOf("/h/z1/t-light/i-1/p-state/On/1"), new Uint8Array());
  expect(post).toEqual({ post: "state", path: [], posted: { type: "text", text: "On/1" } });
});

test("[U1] JSON, CBOR, text and bytes are told apart, and nothing of a text is lost", () => {
  expect(valueOf('{"a":[1,null,{"b":"x"}]}')).toEqual({ a: [1, null, { b: "x" }] });
  expect(valueOf(encodeCbor(new Map([["a", 1]])))).toEqual({ a: 1 });
  expect(valueOf('"007"')).toBe("007");
  const texts = [
    "007",
    "1.0",
    "1e3",
    "0x10",
    " 1",
    "-0",
    "12345678901234567890",
    "NaN",
    "Infinity",
    "On",
    "",
    "{",
    "[1",
  ];
  expect(texts.map(valueOf)).toEqual(texts);
  expect(["7", "-1.5", "true", "false"].map(valueOf)).toEqual([7, -1.5, true, false]);
  expect(valueOf(Uint8Array.of(0xff, 0))).toEqual(Uint8Array.of(0xff, 0));
  expect(valueOf(Uint8Array.of(0xa1))).toEqual(Uint8Array.of(0xa1));
});

test("[U1] any bytes are some value, never a failure", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), (bytes) => {
      expect(valueOf(bytes)).toBeDefined();
    }),
  );
});

test("[U1] unknown posts fill a dictionary: the latest value at each place, the others as they were", () => {
  const name = fc.constantFrom("a", "b", "__proto__", "constructor", "x.y", "$z");
  const posts = fc.array(fc.tuple(name, fc.array(name, { maxLength: 2 }), fc.integer()), { maxLength: 12 });
  fc.assert(
    fc.property(posts, (all) => {
      let data: PlainValue | undefined;
      // The model: places as texts; a value takes away what is below it and what is in its way.
      const model = new Map<string, number>();
      for (const [post, path, value] of all) {
        const before = JSON.stringify(data);
        const next = storePost(data, { post, path }, value);
        expect(JSON.stringify(data)).toBe(before); // the old dictionary stays as it was
        data = next;
        const place = `${[post, ...path].join("/")}/`;
        for (const other of model.keys()) if (other.startsWith(place) || place.startsWith(other)) model.delete(other);
        model.set(place, value);
      }
      expect(new Map(leavesOf(data, ""))).toEqual(model);
    }),
  );
});

test("[U1] a dictionary has a bound, and what is in it can still change", () => {
  let data: PlainValue | undefined;
  for (let at = 0; at < 1_000; at++) data = storePost(data, { post: `p${at}`, path: [] }, at);
  expect(storePost(data, { post: "one-more", path: [] }, 1)).toBeUndefined();
  expect(storePost(data, { post: "p999", path: [] }, "new")).toMatchObject({ p999: "new", p0: 0 });
});

function leavesOf(value: PlainValue | undefined, place: string): readonly (readonly [string, PlainValue])[] {
  if (value === undefined) return [];
  if (typeof value !== "object" || value === null) return [[place, value]];
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, `${place}${name}/`));
}
