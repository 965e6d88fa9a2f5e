import { expect, test } from "vitest";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import { refuseStrayCalls } from "#agent/functions/stray-calls.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { MemoryBroker } from "../../fakes/memory-broker.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

test("what names no call and no event where those are is refused with what would be one, and counted", async () => {
  await using broker = new MemoryBroker(
    { clock: new FakeClock(), log: silentLogger() },
    { authorizer: treeAuthorizer },
  );
  using stray = refuseStrayCalls(broker);
  const inject = (topic: string) => broker.inject({ topic, payload: new Uint8Array(), qos: 1, retain: false });
  const astray = [
    "/machine/functions/a/b",
    "/machine/functions",
    "/machine/events/foo/x",
    "/machine/events/external",
    "/machine/calls/1/stop",
    "/level/functions/a/b",
    "/level/calls/a/b",
  ];
  for (const topic of astray) expect((await inject(topic)).type, topic).toBe("refuse");
  expect(await inject("/machine/functions/a/b")).toEqual({
    type: "refuse",
    reason: '"/machine/functions/a/b" is neither a call nor an event: publish on /machine/functions/+',
    now: true,
  });
  expect(stray.refused()).toBe(astray.length + 1);
  const right = [
    "/machine/functions/a",
    "/machine/events/internal/a",
    "/machine/calls/1/cancel",
    "/level/calls/a",
    "/machine/own",
  ];
  for (const topic of right) expect((await inject(topic)).type, topic).toBe("pass");
});
