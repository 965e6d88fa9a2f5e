// The client library on a whole tree, cloud-1 above fog-1 above device-1, over TCP and over WebSocket, in JSON and in CBOR.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  connect,
  FogbankClientError,
  type ConnectionEvent,
  type FogbankClient,
  type LevelOutcome,
  type MachineEvent,
  type PresenceEvent,
} from "../../client/client.ts";
import { drawId } from "../../client/draw-id.ts";
import { LiveNode, quickly } from "./live-node.ts";
import { startLiveTree, type LiveTree } from "./live-tree.ts";

const slow = { timeout: 60_000 };
const onDevice = "level == 'device'";

describe.each([
  ["TCP, JSON", "url", "json"],
  ["WebSocket, CBOR", "webSocketUrl", "cbor"],
] as const)("over %s", (_title, address, encoding) => {
  let tree: LiveTree;
  beforeAll(async () => {
    tree = await startLiveTree();
  }, 60_000);
  afterAll(() => tree[Symbol.asyncDispose]());

  const at = (node: "cloud" | "fog" | "device"): Promise<FogbankClient> => quickly(tree[node][address], { encoding });

  test("[J11] [J-S4] callLevels asks all levels at once and tells one outcome of each", async () => {
    await using caller = await at("device");
    await using fog = await at("fog");
    await using cloud = await at("cloud");
    const isAtCloud = Promise.withResolvers<void>();
    const locate = async (args: unknown, { origin }: { readonly origin: string }): Promise<unknown> => {
      await isAtCloud.promise; // it would not come to that if the fog had to answer first
      return { args, origin };
    };
    await fog.implement("locate", locate, { level: true });
    await cloud.implement(
      "locate",
      () => {
        isAtCloud.resolve();
        throw new Error("no map");
      },
      { level: true },
    );
    const told: LevelOutcome[] = [];
    const onProgress = ({ outcomes }: { readonly outcomes: readonly LevelOutcome[] }): void =>
      void told.push(...outcomes);
    const report = await caller.callLevels("locate", { tag: 7 }, { onProgress });
    expect(report).toMatchObject({ final: true, ok: false });
    const outcomes = [
      { level: "cloud", node: "cloud-1", status: "failed", reason: "no map" },
      {
        level: "device",
        node: "device-1",
        status: "refused",
        reason: 'nobody on this node offers the function "locate"',
      },
      { level: "fog", node: "fog-1", status: "ok", value: { args: { tag: 7 }, origin: "device-1" } },
    ];
    expect(report.outcomes.toSorted(byLevel)).toEqual(outcomes);
    expect(told.toSorted(byLevel)).toEqual(outcomes);
    expect(await caller.callLevels("locate", 1, { levels: ["fog"], if: "level == 'fog'" })).toMatchObject({ ok: true });
    expect(await caller.callLevels("locate", 1, { levels: ["fog"], if: "level == 'moon'" })).toMatchObject({
      ok: false,
      outcomes: [{ status: "refused", reason: "the condition does not hold on fog-1" }],
    });
  });

  test("[J12] [J-S4] callLevels in sequence asks the next one until one is ok, in the caller's order or the nearest first", async () => {
    await using caller = await at("device");
    const asked: string[] = [];
    const programs = [await at("fog"), await at("cloud")];
    for (const [index, name] of ["fog", "cloud"].entries())
      await programs[index]?.implement(
        "measure",
        (args) => {
          asked.push(name);
          if (args === `${name} fails`) throw new Error(args);
          return name;
        },
        { level: true },
      );
    const sequential = { mode: "sequential" } as const;
    const first = await caller.callLevels("measure", null, sequential);
    expect([first.ok, statuses(first.outcomes), asked.splice(0)]).toEqual([
      true,
      ["device-1 refused", "fog-1 ok"],
      ["fog"],
    ]);
    const next = await caller.callLevels("measure", "fog fails", { ...sequential, levels: ["fog", "cloud"] });
    expect([next.ok, statuses(next.outcomes), asked.splice(0)]).toEqual([
      true,
      ["fog-1 failed", "cloud-1 ok"],
      ["fog", "cloud"],
    ]);
    const levels = ["cloud", "fog"];
    const listed = await caller.callLevels("measure", null, { ...sequential, levels });
    const nearest = await caller.callLevels("measure", null, { ...sequential, levels, order: "nearest" });
    expect([listed, nearest].map(({ outcomes }) => statuses(outcomes))).toEqual([["cloud-1 ok"], ["fog-1 ok"]]);
    for (const program of programs) await program.close();
  });

  test("a level that does not answer in time, or is not there, is said to be so, and its handler told", async () => {
    await using caller = await at("device");
    await using fog = await at("fog");
    const stopped = Promise.withResolvers<unknown>();
    await fog.implement("hang", (_args, { signal }) => aborted(signal).then(stopped.resolve), { level: true });
    const { ok, outcomes } = await caller.callLevels("hang", null, { levels: ["fog", "moon"], timeoutMs: 300 });
    expect([ok, outcomes.map(({ status }) => status).toSorted()]).toEqual([false, ["timeout", "unreachable"]]);
    expect(["cancelled", "timeout"]).toContain(((await stopped.promise) as { readonly code: string }).code);
  });

  test("a call that is cancelled by its id says so of each node, and the handler's signal aborts there", async () => {
    await using program = await at("device");
    await using caller = await at("cloud");
    const begun = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<unknown>();
    await program.implement("work", (_args, { signal }) => {
      begun.resolve();
      return aborted(signal).then(stopped.resolve);
    });
    const id = drawId();
    const call = caller.call("work", null, { id, if: onDevice, ttl: 30 });
    await begun.promise;
    await caller.cancel(id);
    expect(await call).toMatchObject({
      final: true,
      counts: { matched: 1, cancelled: 1 },
      results: [{ node: "device-1", status: "cancelled", reason: "its caller called it off" }],
      waiting: [],
    });
    expect(await stopped.promise).toMatchObject({ name: "FogbankClientError", code: "cancelled" });
  });

  test("a call that its caller gives up by a signal is cancelled on the nodes too", async () => {
    await using program = await at("device");
    await using caller = await at("cloud");
    const begun = Promise.withResolvers<void>();
    const stopped = Promise.withResolvers<unknown>();
    await program.implement("work", (_args, { signal }) => {
      begun.resolve();
      return aborted(signal).then(stopped.resolve);
    });
    const giveUp = new AbortController();
    const call = caller.call("work", null, { if: onDevice, ttl: 30, signal: giveUp.signal });
    const outcome = expect(call).rejects.toMatchObject({ name: "FogbankClientError", code: "cancelled" });
    await begun.promise;
    giveUp.abort();
    await outcome;
    expect(await stopped.promise).toMatchObject({ code: "cancelled" });
  });

  test("[J16.10] a sync call that is made again under its id is answered again, and does not run again", async () => {
    await using program = await at("device");
    await using caller = await at("cloud");
    let ran = 0;
    await program.implement("count", () => ++ran);
    const options = { id: drawId(), mode: "sync", if: onDevice, ttl: 30 } as const;
    const reports = [await caller.call("count", null, options), await caller.call("count", null, options)];
    for (const { counts, results } of reports)
      expect([counts, results]).toMatchObject([{ matched: 1, done: 1 }, [{ node: "device-1", value: 1 }]]);
    expect(ran).toBe(1);
  });

  test("a call with a time of its own is queued until then", async () => {
    await using program = await at("device");
    await using caller = await at("cloud");
    await program.implement("chime", () => Date.now());
    const start = Date.now() + 3_000;
    const queued: number[] = [];
    const { results } = await caller.call("chime", null, {
      if: onDevice,
      ttl: 30,
      at: new Date(start),
      onProgress: ({ counts }) => void queued.push(counts.queued),
    });
    expect(queued).toContain(1);
    // The tree's time is that of the root: a few milliseconds may lie between two nodes.
    expect(results[0]?.value).toBeGreaterThanOrEqual(start - 50);
  });

  test("minNodes holds a call back until so many are ready, confirm says whether enough are done", async () => {
    await using caller = await at("cloud");
    const all = { mode: "sync", ttl: 30, confirm: 1 } as const;
    expect(await caller.call("ping", null, { ...all, minNodes: 3 })).toMatchObject({
      counts: { matched: 3, done: 3 },
      confirmed: true,
    });
    const tooFew = await caller.call("ping", null, { ...all, minNodes: 9, ttl: 6 });
    expect(tooFew).toMatchObject({ counts: { matched: 3, cancelled: 3 }, confirmed: false });
    expect(tooFew.results.map(({ reason }) => reason)).toContain("3 nodes were ready, and the call wants 9");
    await using fog = await at("fog");
    await using device = await at("device");
    await fog.implement("flip", () => "flipped");
    await device.implement("flip", () => Promise.reject(new Error("stuck")));
    const half = { if: "name != 'cloud-1'", mode: "sync", ttl: 30 } as const;
    for (const [confirm, confirmed] of [
      [0.5, true],
      [0.6, false],
    ] as const)
      expect(await caller.call("flip", null, { ...half, confirm })).toMatchObject({
        counts: { matched: 2, done: 1, failed: 1 },
        confirmed,
      });
  });

  test("progress is heard while the function runs", async () => {
    await using program = await at("device");
    await using caller = await at("cloud");
    const isHeard = Promise.withResolvers<void>();
    await program.implement("slow", async () => {
      await isHeard.promise; // it would run into its deadline if nobody told the caller that it has begun
      return "done";
    });
    const report = await caller.call("slow", null, {
      if: onDevice,
      ttl: 30,
      onProgress: ({ counts, final }) => {
        if (counts.started === 1 && !final) isHeard.resolve();
      },
    });
    expect(report).toMatchObject({ final: true, results: [{ node: "device-1", status: "done", value: "done" }] });
  });

  test("arguments that do not fit the announced schema are refused on the device before anything runs", async () => {
    await using program = await at("device");
    await using caller = await at("cloud");
    const ran: unknown[] = [];
    const schema = { type: "object", properties: { times: { type: "integer" } }, required: ["times"] };
    await program.implement("blink", (args) => void ran.push(args), { schema });
    for (const args of [{ times: "twice" }, {}, null])
      expect(await caller.call("blink", args, { if: onDevice })).toMatchObject({
        counts: { matched: 1, refused: 1 },
        results: [{ node: "device-1", status: "refused", reason: expect.any(String) as string }],
      });
    expect(await caller.call("blink", { times: 2 }, { if: onDevice })).toMatchObject({ counts: { done: 1 } });
    expect(ran).toEqual([{ times: 2 }]);
  });

  test("[J16.16] what a program publishes at the device is heard at the cloud", async () => {
    await using publisher = await at("device");
    await using listener = await at("cloud");
    const heard = Promise.withResolvers<unknown>();
    await listener.subscribe("/from/device-1/data/#", ({ topic, payload }) =>
      heard.resolve([topic, new TextDecoder().decode(payload)]),
    );
    await publisher.publish("/data/boiler", "71.5");
    expect(await heard.promise).toEqual(["/from/device-1/data/boiler", "71.5"]);
  });

  test("[J15] an event that is raised at the fog is heard at every node where its condition holds, with its origin", async () => {
    const heard: string[] = [];
    await using raiser = await at("fog");
    const ears = [await at("cloud"), await at("fog"), await at("device")];
    for (const [index, ear] of ears.entries())
      await ear.onEvent("external", "#", ({ name, args, origin }) => {
        heard.push(`${index} ${name} ${JSON.stringify(args)} ${origin}`);
      });
    await raiser.raise("external", "door", { open: true });
    await raiser.raise("external", "lamp", 1, { if: onDevice });
    await raiser.raise("external", "end", null, { scope: "subtree" });
    await expect.poll(() => heard.filter((one) => one.includes("end")).length).toBe(2);
    const expected = [0, 1, 2].map((index) => `${index} door {"open":true} fog-1`);
    expect(heard.toSorted()).toEqual(
      [...expected, "2 lamp 1 fog-1", "1 end null fog-1", "2 end null fog-1"].toSorted(),
    );
    for (const ear of ears) await ear.close();
  });

  test(
    "[J3] [J15] programs hear how the link of their node stands, and of durable events when it is back",
    slow,
    async () => {
      await using device = await at("device");
      await using fog = await at("fog");
      await using cloud = await at("cloud");
      const seen = { device: [] as PresenceEvent[], fog: [] as PresenceEvent[] };
      const connection: ConnectionEvent[] = [];
      const events: MachineEvent[] = [];
      device.onConnection((event) => connection.push(event));
      await device.onPresence((event) => void seen.device.push(event));
      await fog.onPresence((event) => void seen.fog.push(event));
      await device.onEvent("external", "#", (event) => void events.push(event));
      const last = () => [
        seen.device.findLast(({ type }) => type === "uplink")?.state,
        seen.fog.findLast(({ type }) => type === "child")?.state,
      ];
      await expect.poll(last).toEqual(["up", "online"]);
      expect(seen.device).toMatchObject([{ path: [{ node: "fog-1" }, { node: "cloud-1" }] }]);
      tree.link.set({ type: "accept-and-drop" });
      tree.link.reset();
      await expect.poll(last, slow).toEqual(["down", "lost"]);
      expect(seen.device.at(-1)).toMatchObject({ type: "uplink", reason: expect.any(String) as string });
      await cloud.raise("external", "fleeting", 1, { durable: false, ttl: 60 });
      await cloud.raise("external", "kept", 2, { ttl: 60 });
      tree.link.set({ type: "pass" });
      await expect.poll(last, slow).toEqual(["up", "online"]);
      await expect
        .poll(() => events, slow)
        .toMatchObject([{ kind: "external", name: "kept", args: 2, origin: "cloud-1" }]);
      expect(connection).toEqual([]); // to its own node it never was lost
    },
  );

  test("what goes wrong with a connection has the same codes", async () => {
    const code = async (work: Promise<unknown>): Promise<unknown> =>
      work.then(
        () => "no error",
        (error: unknown) => (error instanceof FogbankClientError ? `${error.name} ${error.code}` : error),
      );
    await using closed = await LiveNode.start({ "auth.anonymous": "never" });
    expect(await code(connect(closed[address]))).toBe("FogbankClientError unauthorized");
    await closed.stop();
    expect(await code(connect(closed[address]))).toBe("FogbankClientError not-connected");
    await using caller = await at("device");
    expect(await code(caller.call("ping", null, { if: "level ==" }))).toBe("FogbankClientError refused");
    expect(await code(caller.callLevels("two words"))).toBe("FogbankClientError bad-argument");
    expect(await code(caller.publish("$fog/up/device-9/h", "x"))).toBe("FogbankClientError unauthorized");
    await caller.close();
    expect(await code(caller.call("ping"))).toBe("FogbankClientError closed");
  });
});

function byLevel(one: LevelOutcome, other: LevelOutcome): number {
  return one.level < other.level ? -1 : 1;
}

function statuses(outcomes: readonly LevelOutcome[]): readonly string[] {
  return outcomes.map(({ node, status }) => `${node} ${status}`);
}

/** Resolves with the reason. */
function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(signal.reason)));
}
