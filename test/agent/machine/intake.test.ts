// What MQTT 5 says beside a request, on its way into the message.
import { expect, test } from "vitest";
import { takeIn } from "#agent/machine/intake.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeProperties } from "#shared/mqtt/properties.ts";
import type { InboundPublish } from "#shared/system/bus.ts";

const nowMs = Date.parse("2026-07-10T12:00:00Z");
const deps = { random: { unit: () => 0.5, uint32: () => 7, uuid: () => "" }, treeNow: () => nowMs };
const self = parseNodeName("fog-1");

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
  const repliesOf = (body: unknown) => [
    ...takeIn(deps, self, "function", publish("/machine/functions/ping", body, { properties })).replies,
  ];
  expect(repliesOf(null)).toEqual([["/answers/here", Uint8Array.of(1, 2)]]);
  expect(repliesOf({ reply: "/answers/there" })).toEqual([["/answers/there", Uint8Array.of(1, 2)]]);
});
