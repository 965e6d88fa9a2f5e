import { expect, test } from "vitest";
import { InProcess } from "#agent/broker/in-process.ts";
import type { InboundPublish, Verdict } from "#shared/system/bus.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const publish: InboundPublish = { clientId: "c", topic: "a", payload: new Uint8Array(0), qos: 1, retain: false };

test("settling twice is our own bug", () => {
  const inProcess = new InProcess(silentLogger());
  const settles: ((verdict: Verdict) => void)[] = [];
  inProcess.intercept("#", (_publish, settle) => void settles.push(settle));
  const verdicts: Verdict[] = [];
  inProcess.judge(publish, (verdict) => void verdicts.push(verdict));
  settles[0]?.({ type: "pass" });
  expect(() => settles[0]?.({ type: "pass" })).toThrow("settles a publish once");
  expect(verdicts).toEqual([{ type: "pass" }]);
});

test("a subscriber that throws is logged and keeps nobody else from the message", () => {
  const log = silentLogger();
  const inProcess = new InProcess(log);
  const got: string[] = [];
  inProcess.subscribe("a", () => {
    throw new Error("bug");
  });
  inProcess.subscribe("#", ({ topic }) => void got.push(topic));
  inProcess.deliver(publish);
  expect(got).toEqual(["a"]);
  expect(log.lines.map(({ level }) => level)).toEqual(["error"]);
});

test("an interceptor that comes or goes later counts for topics that were seen before", () => {
  const inProcess = new InProcess(silentLogger());
  const other = inProcess.intercept("b", (_publish, settle) => settle({ type: "take" }));
  expect(inProcess.inside("a").interceptors.length > 0).toBe(false);
  const late = inProcess.intercept("a", (_publish, settle) => settle({ type: "take" }));
  expect(inProcess.inside("a").interceptors.length > 0).toBe(true);
  late[Symbol.dispose]();
  other[Symbol.dispose]();
  expect(inProcess.inside("a").interceptors.length > 0).toBe(false);
});
