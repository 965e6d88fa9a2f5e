// What MQTT 5 says beside a request, on its way into the message.
import { expect, test } from "vitest";
import { takeIn } from "#agent/machine/intake.ts";
import { parseNodeName } from "#shared/ids.ts";
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
      const taken = takeIn(
        deps,
        self,
        kind,
        publish(topic, body, expirySeconds === undefined ? {} : { expirySeconds }),
        anybody,
      );
      if ("refused" in taken) throw new Error(taken.refused);
      return taken.envelope.deadlineMs - nowMs;
    };
    expect([lives({ args: 1 }, 5), lives(1, 5), lives({ ttl: 2 }, 5)]).toEqual([5_000, 5_000, 2_000]);
    expect(lives({ args: 1 })).toBe(60_000);
  },
);

test("the answer goes to the response topic with the correlation data, unless the body names a topic", () => {
  const properties = encodeProperties({ responseTopic: "/answers/here", correlationData: Uint8Array.of(1, 2) });
  const repliesOf = (body: unknown) => {
    const taken = takeIn(deps, self, "function", publish("/machine/functions/ping", body, { properties }), anybody);
    return "refused" in taken ? taken.refused : [...taken.caller.replies];
  };
  expect(repliesOf(null)).toEqual([["/answers/here", Uint8Array.of(1, 2)]]);
  expect(repliesOf({ reply: "/answers/there" })).toEqual([["/answers/there", Uint8Array.of(1, 2)]]);
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
    const taken = take(body, rest);
    // Nor does the refusal.
    expect(taken).toMatchObject({ refused: expect.any(String), replies: new Map([[own, undefined]]) });
  }
  for (const results of ["/machine/functions/ping", "/machine/replies/other", "$SYS/x", "/from/a", "a/+", 7])
    expect(take({ id, results })).toMatchObject({ refused: expect.stringContaining("results must be a topic") });
});
