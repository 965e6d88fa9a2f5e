import { expect, test } from "vitest";
import { systemMessages, systemTopicsMs } from "#agent/broker/system-topics.ts";
import { CoreBench } from "../../fakes/core-bench.ts";

test("a subscription below $SYS gets the values of that moment, then new ones; # does not see them", async () => {
  await using bench = await CoreBench.start();
  const all = await bench.client("all");
  await all.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "#", qos: 0 }] });
  await all.answer("suback");
  const watcher = await bench.client("watcher");
  const topic = "$SYS/broker/clients/connected";
  await watcher.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic, qos: 1 }] });
  await watcher.answer("suback");
  expect(await watcher.expect("publish")).toMatchObject({ topic, retain: true, payload: Buffer.from("2") });
  await bench.client("third");
  await bench.clock.advance(2 * systemTopicsMs);
  expect(await watcher.expect("publish")).toMatchObject({ topic, retain: false, payload: Buffer.from("3") });
  await all.silent();
});

test("other filters ask for nothing", () => {
  const never = (): never => {
    throw new Error("not asked");
  };
  expect([...systemMessages("+/broker/uptime", true, never), ...systemMessages("#", true, never)]).toEqual([]);
});
