// Calls of MQTT 5 clients (request and response, section 4.10), and frames that are wrong, on whole nodes in memory.
import { expect, test } from "vitest";
import { encodeProperties } from "#shared/mqtt/properties.ts";
import { envelopeOf } from "../fakes/machine-scene.ts";
import { encodeEnvelope } from "#shared/machine/envelope.ts";
import { program, sixNodes } from "./machine-scene.ts";

test("the answer goes to the response topic of MQTT 5, with the correlation data", async () => {
  await using tree = await sixNodes();
  const { client } = await program(tree, "cloud-1", "/my/answers");
  const answers: (Uint8Array | undefined)[] = [];
  client.onMessage(({ properties }) => answers.push(properties));
  const correlationData = Uint8Array.of(1, 2, 3);
  const properties = encodeProperties({ responseTopic: "/my/answers", correlationData });
  const payload = new TextEncoder().encode('{"if":"name == \'device-1\'"}');
  await client.publish({ topic: "/machine/functions/ping", payload, qos: 1, retain: false, properties });
  await tree.advance(1000);
  expect(answers.at(-1)).toEqual(encodeProperties({ correlationData }));
});

test("[J8] what a child may not send is not passed on: subtree calls upward, too many hops, garbage", async () => {
  await using tree = await sixNodes();
  const { heard } = await program(tree, "device-2", "/machine/functions/#");
  await tree.link("device-1", "down");
  const child = await tree.client("fog-1", "device-1");
  const timeMs = tree.clock.now();
  const good = { timeMs, deadlineMs: timeMs + 10_000, name: "blink" };
  for (const [index, payload] of [
    encodeEnvelope(envelopeOf({ ...good, scope: "subtree" })),
    encodeEnvelope(envelopeOf({ ...good, scope: "machine", hops: 17 })),
    Uint8Array.of(0xff),
    encodeEnvelope(envelopeOf({ ...good, scope: "machine" })),
  ].entries()) {
    if (index === 3) payload[10] = (payload[10] ?? 0) ^ 1; // another id
    await child.publish({ topic: "$fog/up/device-1/c", payload, qos: 0, retain: false });
    await tree.advance(500);
    expect(heard).toHaveLength(index === 3 ? 1 : 0);
  }
});
