import { expect, test } from "vitest";
import { judgeListener, type ListenerFacts } from "#agent/doctor/listener.ts";

const free: ListenerFacts = {
  setting: "listen.mqtt",
  address: "0.0.0.0:1883",
  port: 1883,
  outcome: "free",
  privilegedBelow: 1024,
  isRoot: false,
  isNodeRunning: false,
};

const judge = (facts: Partial<ListenerFacts>) => judgeListener({ ...free, ...facts });

test("a free address is fine, and so is one of this node's own", () => {
  expect(judge({})).toMatchObject({ level: "ok", what: "listen.mqtt 0.0.0.0:1883 is free" });
  expect(judge({ outcome: "any", port: 0 }).level).toBe("ok");
  const own = judge({ outcome: "taken", holder: { pid: 7, program: "fogbank", isOwn: true } });
  expect(own).toMatchObject({ level: "ok", what: expect.stringContaining("this node, which runs (pid 7)") as string });
});

test("a taken address names who has it, as far as that is known", () => {
  const by = (holder: ListenerFacts["holder"]) => judge({ outcome: "taken", holder });
  expect(by({ pid: 12, program: "mosquitto", user: "mosquitto", isOwn: false })).toEqual({
    check: "listen",
    level: "problem",
    what: "listen.mqtt 0.0.0.0:1883 is taken by mosquitto (pid 12, mosquitto)",
    todo: "stop that program, or give listen.mqtt another port",
  });
  expect(by({ user: "www-data", isOwn: false }).what).toContain("taken by a program of www-data");
  expect(by(undefined).what).toContain("taken by another program");
});

test("an unknown holder is this node when it runs, a known one is not", () => {
  expect(judge({ outcome: "taken", isNodeRunning: true }).level).toBe("ok");
  const stranger = { pid: 12, program: "x", isOwn: false };
  expect(judge({ outcome: "taken", isNodeRunning: true, holder: stranger }).level).toBe("problem");
});

test("a privileged port is a problem without the right, and advice for root", () => {
  const denied = judge({ port: 443, outcome: "EACCES" });
  expect(denied).toMatchObject({ level: "problem", todo: expect.stringContaining("CAP_NET_BIND_SERVICE") as string });
  expect(judge({ port: 443, isRoot: true }).level).toBe("advice");
  expect(judge({ port: 1024, isRoot: true }).level).toBe("ok");
});

test("an address of another machine, a folder that may not be written, and anything else are problems", () => {
  expect(judge({ outcome: "EADDRNOTAVAIL" })).toMatchObject({ level: "problem" });
  expect(judge({ outcome: "EACCES", port: 0 })).toMatchObject({ todo: "let it write in that folder" });
  expect(judge({ outcome: "ENOTFOUND" }).what).toContain("(ENOTFOUND)");
});
