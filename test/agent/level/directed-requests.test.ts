import { expect, test } from "vitest";
import { DirectedRequests } from "#agent/level/directed-requests.ts";
import { LevelRuns } from "#agent/level/level-runs.ts";
import { parseNodeName } from "#shared/ids.ts";
import { decodeLevelAnswer, decodeLevelRequest, encodeLevelAnswer, encodeLevelRequest } from "#shared/level/frames.ts";
import type { LevelAnswer, LevelRequest } from "#shared/level/frames.ts";
import { limits } from "#shared/limits.ts";
import type { ParentLink } from "#shared/system/parent-link.ts";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import { FakeClock } from "../../fakes/fake-clock.ts";
import { MemoryBroker } from "../../fakes/memory-broker.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const names = (...texts: readonly string[]) => texts.map(parseNodeName);
const request: LevelRequest = {
  id: "0123456789abcdef0123456789abcdef",
  target: parseNodeName("fog-1"),
  via: [],
  attempt: 1,
  name: "act",
  args: 7,
  condition: "",
  deadlineMs: 2_000_000_000_000,
  encoding: "json",
};

/** fog-1 with the child device-1. */
async function bench(how: { readonly isRoot?: boolean; readonly isLinked?: boolean } = {}) {
  const { isRoot = false, isLinked = true } = how;
  const clock = new FakeClock();
  const log = silentLogger();
  const bus = new MemoryBroker({ clock, log }, { authorizer: treeAuthorizer });
  const sent: LevelRequest[] = [];
  let above: (payload: Uint8Array) => void = () => undefined;
  const parent: ParentLink = {
    parent: () => "cloud-1",
    send(_kind, payload) {
      const decoded = decodeLevelRequest(payload);
      if (isLinked && "frame" in decoded) sent.push(decoded.frame);
      return isLinked;
    },
    onFrame(_kind, handler) {
      above = handler;
      return { [Symbol.dispose]() {} };
    },
    onUp: () => ({ [Symbol.dispose]() {} }),
  };
  const origins: string[] = [];
  const runner = {
    offers: () => true,
    start({ origin }: { readonly origin: string }, ended: (outcome: { status: "done"; value: number }) => void) {
      origins.push(origin);
      ended({ status: "done", value: 1 });
    },
    cancel: () => undefined,
    [Symbol.dispose]() {},
  };
  const runs = new LevelRuns({ runner, check: () => ({ holds: true }), clock }, "fog-1");
  const own: LevelAnswer[] = [];
  const directed = new DirectedRequests(
    { bus, parent, runs, isRoot: () => isRoot, treeNow: () => clock.now(), onAnswer: (one) => own.push(one), log },
    parseNodeName("fog-1"),
  );
  const child = await bus.connect("device-1");
  const answers: LevelAnswer[] = [];
  child.onMessage(({ payload }) => {
    const decoded = decodeLevelAnswer(payload);
    if ("frame" in decoded) answers.push(decoded.frame);
  });
  await child.subscribe("$fog/dn/device-1/+");
  const ask = async (change: Partial<LevelRequest>, payload?: Uint8Array): Promise<void> => {
    const bytes = payload ?? encodeLevelRequest({ ...request, ...change });
    await child.publish({ topic: "$fog/up/device-1/x", payload: bytes, qos: 0, retain: false });
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };
  return {
    clock,
    directed,
    sent,
    own,
    answers,
    origins,
    ask,
    fromAbove: (one: LevelAnswer) => above(encodeLevelAnswer(one)),
  };
}

test("a request for this node is run in the name of the node where it began, as the topic says", async () => {
  const { ask, answers, origins } = await bench();
  await ask({});
  await ask({ id: "f".repeat(32), via: names("device-7", "fog-9") });
  expect(origins).toEqual(["device-1", "device-7"]);
  expect(answers).toMatchObject([
    { target: "fog-1", via: [], outcome: { status: "ok", value: 1 } },
    { target: "fog-1", via: ["device-7", "fog-9"], outcome: { status: "ok", value: 1 } },
  ]);
});

test("one for a node above goes on with the child's name, and its outcome comes back to that child without it", async () => {
  const { ask, sent, answers, own, fromAbove } = await bench();
  await ask({ target: parseNodeName("cloud-1"), via: names("device-7") });
  expect(sent).toEqual([{ ...request, target: "cloud-1", via: ["device-7", "device-1"] }]);
  const answer = { ...request, target: parseNodeName("cloud-1"), outcome: { status: "ok", value: 2 } } as const;
  fromAbove({ ...answer, via: names("device-7", "device-1") });
  fromAbove({ ...answer, via: [] });
  await Promise.resolve();
  expect(answers).toMatchObject([{ target: "cloud-1", via: ["device-7"], outcome: { status: "ok", value: 2 } }]);
  expect(own).toMatchObject([{ via: [], outcome: { value: 2 } }]);
});

const far = { target: parseNodeName("cloud-1") };
const long = { ...far, via: Array.from({ length: limits.callHops }, (_, at) => parseNodeName(`n-${at}`)) };

test.each([
  [{ isRoot: true }, far, "unreachable", 'there is no node "cloud-1" above fog-1'],
  [{ isLinked: false }, far, "unreachable", "fog-1 has no link to its parent"],
  [{}, long, "unreachable", "the request has passed more than 16 nodes"],
  [{}, { ...far, deadlineMs: 1 }, "timeout", "its deadline had passed when it arrived at fog-1"],
  [{}, { deadlineMs: 1 }, "timeout", "its deadline had passed when it arrived at fog-1"],
] as const)("what cannot be done is answered at once: %#", async (how, change, status, reason) => {
  const { ask, answers, sent, origins } = await bench(how);
  await ask({ ...change, attempt: 4 });
  expect(answers).toMatchObject([{ attempt: 4, outcome: { status, reason } }]);
  expect([...sent, ...origins]).toEqual([]);
});

test("a malformed frame is counted and answered by nobody", async () => {
  const { ask, answers, directed } = await bench();
  await ask({}, new Uint8Array([1, 2, 3]));
  expect(answers).toEqual([]);
  expect(directed.stats()).toMatchObject({ malformed: 1, answered: 0 });
});
