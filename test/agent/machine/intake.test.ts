// What local clients publish, on its way into a machine message, with what MQTT 5 says beside it.
import { expect, test } from "vitest";
import { ownEvent, takeIn, type NotTaken, type Taken } from "#agent/machine/intake.ts";
import { parseNodeName } from "#shared/ids.ts";
import { phases } from "#shared/machine/envelope.ts";
import { encodeProperties } from "#shared/mqtt/properties.ts";
import type { InboundPublish } from "#shared/system/bus.ts";

const nowMs = Date.parse("2026-07-10T12:00:00Z");
const deps = { random: { unit: () => 0.5, uint32: () => 7, uuid: () => "" }, treeNow: () => nowMs };
const self = parseNodeName("fog-1");
const anybody = { user: "", mayBeToldOn: () => true };

function publish(topic: string, body: unknown, rest: Partial<InboundPublish> = {}): InboundPublish {
  const payload = new TextEncoder().encode(JSON.stringify(body));
  return { topic, payload, qos: 1, retain: false, clientId: "program", ...rest };
}

test.each(["function", "internal", "external"] as const)(
  "the expiry of the message is the life of a request that names none: %s [J7] [J15]",
  (kind) => {
    const topic = kind === "function" ? "/machine/functions/ping" : `/machine/events/${kind}/ping`;
    const lives = (body: unknown, expirySeconds?: number): number => {
      const result = takeIn(
        deps,
        self,
        kind,
        publish(topic, body, expirySeconds === undefined ? {} : { expirySeconds }),
        anybody,
      );
      if ("refused" in result) throw new Error(result.refused);
      return result.envelope.deadlineMs - nowMs;
    };
    expect([lives({ args: 1 }, 5), lives(1, 5), lives({ ttl: 2 }, 5)]).toEqual([5_000, 5_000, 2_000]);
    expect(lives({ args: 1 })).toBe(60_000);
  },
);

test("the answer goes to the response topic with the correlation data, unless the body names a topic", () => {
  const properties = encodeProperties({ responseTopic: "/answers/here", correlationData: Uint8Array.of(1, 2) });
  const repliesOf = (body: unknown) => {
    const result = takeIn(deps, self, "function", publish("/machine/functions/ping", body, { properties }), anybody);
    return "refused" in result ? result.refused : [...result.caller.replies];
  };
  expect(repliesOf(null)).toEqual([["/answers/here", Uint8Array.of(1, 2)]]);
  expect(repliesOf({ reply: "/answers/there" })).toEqual([["/answers/there", Uint8Array.of(1, 2)]]);
});

const callId = "00112233445566778899aabbccddeeff";

function taken(kind: "function" | "internal" | "external", message: InboundPublish): Taken {
  const result = takeIn(deps, self, kind, message, anybody);
  if ("refused" in result) throw new Error(result.refused);
  return result;
}

function refusal(kind: "function" | "internal" | "external", message: InboundPublish): NotTaken {
  const result = takeIn(deps, self, kind, message, anybody);
  if ("envelope" in result) throw new Error("it was taken");
  return result;
}

test("a call goes down from here at most once, unless it says otherwise", () => {
  const { envelope } = taken("function", publish("/machine/functions/ping", 7));
  expect(envelope).toEqual({
    id: "00000007".repeat(4),
    kind: "function",
    name: "ping",
    args: 7,
    condition: "",
    origin: "fog-1",
    deadlineMs: nowMs + 60_000,
    timeMs: nowMs,
    startAtMs: undefined,
    hops: 0,
    look: 0,
    phase: phases.begin,
    mode: "async",
    scope: "subtree",
    encoding: "json",
    minNodes: 0,
    confirm: 0,
    durable: false,
    wantsAll: false,
  });
  const asked = {
    args: [1],
    if: "true",
    ttl: 9,
    id: callId,
    mode: "sync",
    scope: "machine",
    minNodes: 2,
    confirm: 0.5,
  };
  const at = new Date(nowMs + 3_000).toISOString();
  expect(taken("function", publish("/machine/functions/ping", { ...asked, at })).envelope).toMatchObject({
    id: callId,
    args: [1],
    condition: "true",
    deadlineMs: nowMs + 9_000,
    startAtMs: nowMs + 3_000,
    mode: "sync",
    scope: "machine",
    minNodes: 2,
    confirm: 0.5,
    phase: phases.ready,
  });
});

test("[J15] an event goes to the whole machine unless it says otherwise, durably at QoS 1 and 2, and is not answered", () => {
  const topic = "/machine/events/external/door";
  const qos = ([0, 1, 2] as const).map((one) => taken("external", publish(topic, { args: 1 }, { qos: one })));
  expect(qos.map(({ envelope }) => envelope.durable)).toEqual([false, true, true]);
  for (const { envelope, caller } of qos) {
    expect(envelope).toMatchObject({ kind: "external", name: "door", args: 1, scope: "machine", phase: phases.begin });
    expect([...caller.replies]).toEqual([]);
  }
  expect(taken("internal", publish(topic, { scope: "subtree" })).envelope).toMatchObject({ scope: "subtree" });
});

test.each([
  ["not JSON", "{", "neither JSON nor a CBOR map"],
  ["a name that cannot be one", "name", "cannot be a function's name"],
  ["a start after the end", { at: nowMs + 60_000 }, "at must be a time"],
  ["a start that is no time", { at: "soon" }, "at must be a time"],
  ["a field that there is none of", { whom: "all" }, 'no field "whom"'],
])("what cannot be used is refused with its reason, for the caller to hear: %s", (what, body, reason) => {
  const topic = what.includes("name") ? "/machine/functions/two words" : "/machine/functions/ping";
  const payload = body === "{" ? new TextEncoder().encode("{") : undefined;
  const { refused, id, replies } = refusal("function", publish(topic, body, payload === undefined ? {} : { payload }));
  expect(refused).toContain(reason);
  expect([...replies.keys()]).toEqual([`/machine/replies/${id}`]);
});

test("[J-T10] a publish that may have come before is refused without an id of its own; an event that comes twice harms nobody", () => {
  const repeated = { repeated: true };
  expect(refusal("function", publish("/machine/functions/ping", 1, repeated)).refused).toContain("could run twice");
  expect(taken("function", publish("/machine/functions/ping", { id: callId }, repeated)).envelope.id).toBe(callId);
  expect(taken("internal", publish("/machine/events/internal/x", 1, repeated)).envelope.name).toBe("x");
});

test("a response topic that leads where answers may not go is not used, nor one for another call", () => {
  const to = (responseTopic: string, body: unknown = { id: callId }) => {
    const properties = encodeProperties({ responseTopic });
    return [...taken("function", publish("/machine/functions/ping", body, { properties })).caller.replies.keys()];
  };
  const own = `/machine/replies/${callId}`;
  for (const topic of ["$fog/up/x/h", "/machine/functions/ping", "/level/functions/x", "/level/uplink", "/from/x/y"])
    expect(to(topic)).toEqual([own]);
  expect(to("/machine/replies/ffffffffffffffffffffffffffffffff")).toEqual([own]);
  expect(to("/answers/mine")).toEqual(["/answers/mine"]);
});

test("[J15] an event of the node itself goes to the whole machine, and lives as long as a call unless it says otherwise", () => {
  const event = { name: "node-lost", kind: "internal", args: { node: "device-1" }, durable: true } as const;
  expect(ownEvent(deps, self, event)).toMatchObject({
    id: "00000007".repeat(4),
    ...event,
    condition: "",
    origin: "fog-1",
    scope: "machine",
    phase: phases.begin,
    timeMs: nowMs,
    deadlineMs: nowMs + 60_000,
    hops: 0,
    minNodes: 0,
    confirm: 0,
  });
  const brief = ownEvent(deps, self, { ...event, durable: false, ttlMs: 5, condition: "level == 'fog'" });
  expect(brief).toMatchObject({ durable: false, deadlineMs: nowMs + 5, condition: "level == 'fog'" });
});

test("arguments that would be others below are refused: half of a surrogate pair", () => {
  const take = (args: unknown) => takeIn(deps, self, "function", publish("/machine/functions/f", { args }), anybody);
  expect(take({ a: "\ud800" })).toMatchObject({ refused: expect.stringContaining("no Unicode") as string });
  const condition = takeIn(
    deps,
    self,
    "function",
    publish("/machine/functions/f", { if: "'\udc00' in tags" }),
    anybody,
  );
  expect(condition).toHaveProperty("refused");
  expect(take({ a: "\ud83d\ude00" })).not.toHaveProperty("refused");
});

test("answers and results go nowhere where the caller may not publish itself, but to the replies of that very call", () => {
  const id = "00112233445566778899aabbccddeeff";
  const own = `/machine/replies/${id}`;
  const narrow = { user: "anna", mayBeToldOn: (topic: string) => topic.startsWith("/anna/") };
  const take = (body: unknown, rest: Partial<InboundPublish> = {}) =>
    takeIn(deps, self, "function", publish("/machine/functions/ping", body, rest), narrow);
  expect(take({ id, reply: "/anna/answers", results: "/anna/results" })).toMatchObject({
    caller: { user: "anna", results: "/anna/results", replies: new Map([["/anna/answers", undefined]]) },
    envelope: { wantsAll: true },
  });
  expect(take({ id, results: `${own}/results` })).toMatchObject({ caller: { results: `${own}/results` } });
  const properties = encodeProperties({ responseTopic: "/data/x" });
  for (const [body, rest] of [
    [{ id, results: "/data/x" }, {}],
    [{ id, reply: "/data/x" }, {}],
    [{ id, reply: "/data/x", ttl: -1 }, {}],
    [{ id }, { properties }],
  ] as const) {
    // Nor does the refusal.
    expect(take(body, rest)).toMatchObject({ refused: expect.any(String), replies: new Map([[own, undefined]]) });
  }
  for (const results of ["/machine/functions/ping", "/machine/replies/other", "$SYS/x", "/from/a", "a/+", 7])
    expect(take({ id, results })).toMatchObject({ refused: expect.stringContaining("results must be a topic") });
});
