// The node speaks on behalf of a caller: never where that one may not speak itself.
import { expect, test } from "vitest";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import type { FunctionRunner } from "#agent/functions/function-runner.ts";
import { startLevelCalls } from "#agent/level/level-calls.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { parseNodeName } from "#shared/ids.ts";
import { encodeProperties } from "#shared/mqtt/properties.ts";
import { noParent } from "#shared/system/parent-link.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { MemoryBroker } from "../../fakes/memory-broker.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const id = "0123456789abcdef0123456789abcdef";
const node = parseNodeName("fog-1");
const path = () => [{ name: node, level: "fog", uplink: "root", sinceMs: 0 }] as const;

/** A caller that may publish calls and below /anna; `heard`: what is published on the node, as topic and body. */
async function bench() {
  const clock = new FakeClock();
  const log = silentLogger();
  const mayPublish = (topic: string) => /^\/(?:level\/(?:functions|calls)|anna)\//.test(topic);
  const authorizer = { ...treeAuthorizer, publish: (_: unknown, topic: string) => mayPublish(topic) };
  const stack = new AsyncDisposableStack();
  const bus = stack.use(new MemoryBroker({ clock, log }, { authorizer }));
  const runner: FunctionRunner = {
    offers: () => true,
    start: ({ args }, ended) => ended({ status: "done", value: args }),
    cancel: () => undefined,
    [Symbol.dispose]() {},
  };
  const check = () => ({ holds: true });
  const treeNow = () => clock.now();
  stack.use(
    startLevelCalls({ bus, parent: noParent, path, runner, check, clock, treeNow, random: systemRandom, log }, node),
  );
  const heard: { readonly topic: string; readonly text: string }[] = [];
  bus.subscribe("#", ({ topic, payload }) => heard.push({ topic, text: new TextDecoder().decode(payload) }));
  const caller = await bus.connect("caller");
  return {
    heard,
    async call(topic: string, body: object, responseTopic?: string) {
      const payload = new TextEncoder().encode(JSON.stringify(body));
      const properties = responseTopic === undefined ? {} : { properties: encodeProperties({ responseTopic }) };
      await caller.publish({ topic, payload, qos: 1, retain: false, ...properties });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

test.each(["/level/functions/echo", "/level/calls/echo"])(
  "what a call answers never goes to a topic on which its caller may not publish: %s",
  async (topic) => {
    await using scene = await bench();
    await scene.call(topic, { args: "forged", id, reply: "/data/alarms/x" });
    await scene.call(topic, { args: "forged", id }, "/data/alarms/y");
    expect(scene.heard.map((message) => message.topic)).toEqual(Array(2).fill(`/level/replies/caller/${id}`));
    for (const { text } of scene.heard) expect(text).toContain('answers cannot go to \\"/data/alarms/');
  },
);

test.each(["/level/functions/echo", "/level/calls/echo"])(
  "answers go where the caller may publish, and where only answers to that very call go: %s",
  async (topic) => {
    await using scene = await bench();
    await scene.call(topic, { args: 1, id, reply: "/anna/answers" });
    await scene.call(topic, { args: 1, id }, "/anna/answers");
    await scene.call(topic, { args: 1, id, reply: `/level/replies/tool/${id}` });
    await scene.call(topic, { args: 1, id });
    await scene.call(topic, { args: 1, id, reply: "/level/replies/other/1" });
    const topics = [...new Set(scene.heard.map((message) => message.topic))];
    expect(topics).toEqual(["/anna/answers", `/level/replies/tool/${id}`, `/level/replies/caller/${id}`]);
    expect(scene.heard.filter(({ text }) => text.includes("you may not publish there"))).toHaveLength(1);
  },
);
