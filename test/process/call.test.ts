// Functions called down a tree of real processes: with the command line, and with nothing but an MQTT client.
import { connectAsync } from "mqtt";
import { expect, test } from "vitest";
import { eventually } from "../../scripts/torture/node-under-test.ts";
import { startScriptedMqttServer } from "../agent/client/scripted-mqtt-server.ts";
import { begin, call, linked, lines, seen, withTree } from "./call-tree.ts";

const everyDevice = ["--if", "level == 'device'"];

test("a call at the cloud lists every device, one at a node only that node, and a level stays where it is", () =>
  withTree(async ({ cloud, fog }) => {
    const all = await call(cloud, ...everyDevice, "info");
    expect(all).toMatchObject({ code: 0, stderr: "" });
    expect(lines(all)).toEqual([
      "NODE STATUS RESULT",
      expect.stringMatching(/^device-1 done \{"name":"device-1","level":"device",/),
      expect.stringMatching(/^device-2 done \{"name":"device-2","level":"device",/),
      "",
      "2 matched: 2 done",
      "",
    ]);
    const one = await call(cloud, "--on", "fog-1", "--json", "echo", '{"n": [1, 2]}');
    expect(one).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(one.stdout)).toMatchObject({
      final: true,
      counts: { matched: 1, done: 1 },
      results: [{ node: "fog-1", status: "done", value: { n: [1, 2] } }],
      waiting: [],
    });
    const level = await call(fog, "--level", "echo", "[1]");
    expect([level.code, ...lines(level)]).toEqual([0, "NODE STATUS RESULT", "fog-1 done [1]", ""]);
    expect(await call(cloud, "--if", "'pump' in tags", "ping")).toEqual({
      code: 1,
      stdout: "no node matched the condition\n",
      stderr: "",
    });
    expect(await call(cloud, "--if", "level = 1", "ping")).toMatchObject({
      code: 1,
      stdout: "",
      stderr: expect.stringMatching(/^FOGBANK_CALL_REFUSED: .*line 1, column 7/),
    });
  }));

test("whatever is cut off: the node where the call is made still reaches those it can, and names the others", () =>
  withTree(async ({ cloud, fog, devices }) => {
    await fog.end();
    await eventually(
      () => seen(fog, cloud),
      (state) => state === "lost",
    );
    const above = await call(cloud, ...everyDevice, "--no-wait", "ping");
    expect(above).toMatchObject({ code: 4, stderr: "" });
    expect(above.stdout).toMatch(/^0 matched; 1 waiting at cloud-1: fog-1 since \S+Z\n$/);
    await cloud.end();
    await fog.start();
    for (const device of devices) await linked(device, fog);
    const below = await call(fog, ...everyDevice, "ping");
    expect(below).toMatchObject({ code: 0, stderr: "" });
    expect(lines(below).at(-2)).toBe("2 matched: 2 done");
    await cloud.start();
    await linked(fog, cloud);
    const again = await call(cloud, ...everyDevice, "ping");
    expect(again).toMatchObject({ code: 0, stderr: "" });
  }));

test("Ctrl-C calls the call off also where a program is at it, and tells so", () =>
  withTree(async ({ cloud, devices: [device] }) => {
    if (device === undefined) throw new Error("unreachable");
    const program = await connectAsync(`mqtt://127.0.0.1:${device.mqttPort}`, {
      protocolVersion: 4,
      reconnectPeriod: 0,
    });
    try {
      const heard = new Map<string, () => void>();
      const asked = new Promise<void>((resolve) => heard.set("functions", resolve));
      const off = new Promise<void>((resolve) => heard.set("results", resolve));
      program.on("message", (topic) => heard.get(topic.split("/")[2] ?? "")?.());
      await program.subscribeAsync(["/machine/functions/hang", "/machine/results/+/cancel"], { qos: 1 });
      const calling = begin(cloud, "--on", "device-1", "hang");
      await asked;
      calling.interrupt();
      await off;
      const ended = await calling.ended;
      expect(ended).toMatchObject({ code: 130, stderr: "" });
      expect(lines(ended)).toEqual([
        "NODE STATUS RESULT",
        "device-1 cancelled its caller called it off",
        "",
        "1 matched: 1 cancelled",
        "",
      ]);
    } finally {
      await program.endAsync(true);
    }
  }));

test("a second Ctrl-C ends the command at once, and not when the last word has been waited for", async () => {
  const [called, off] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await using server = await startScriptedMqttServer((packet) => {
    if (packet.cmd === "publish") (packet.topic.endsWith("/cancel") ? off : called).resolve();
    return false;
  });
  const calling = begin({ mqttPort: server.port }, "hang");
  await called.promise;
  calling.interrupt();
  await off.promise;
  calling.interrupt();
  // It would have said that it has not heard everything.
  expect(await calling.ended).toEqual({ code: 130, stdout: "", stderr: "" });
});

test("any MQTT client calls with a JSON body, is answered where the body says, and can offer a function", () =>
  withTree(async ({ cloud, devices: [device] }) => {
    if (device === undefined) throw new Error("unreachable");
    const [caller, offering] = await Promise.all(
      [cloud, device].map(({ mqttPort }) =>
        connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { protocolVersion: 4, reconnectPeriod: 0 }),
      ),
    );
    if (caller === undefined || offering === undefined) throw new Error("unreachable");
    try {
      await offering.subscribeAsync("/machine/functions/double", { qos: 1 });
      offering.on("message", (_topic, payload) => {
        const { args, reply } = JSON.parse(payload.toString()) as { readonly args: number; readonly reply: string };
        offering.publish(reply, JSON.stringify({ result: args * 2 }), { qos: 1 });
      });
      await caller.subscribeAsync("/answers/here", { qos: 1 });
      const final = Promise.withResolvers<unknown>();
      caller.on("message", (_topic, payload) => {
        const reply = JSON.parse(payload.toString()) as { readonly final: boolean };
        if (reply.final) final.resolve(reply);
      });
      const body = { args: 21, if: "level == 'device'", ttl: 10, reply: "/answers/here" };
      await caller.publishAsync("/machine/functions/double", JSON.stringify(body), { qos: 1 });
      expect(await final.promise).toMatchObject({
        counts: { matched: 2, done: 1, refused: 1 },
        results: expect.arrayContaining([
          { node: "device-1", status: "done", value: 42 },
          { node: "device-2", status: "refused", reason: 'nobody on this node offers the function "double"' },
        ]),
      });
    } finally {
      await Promise.all([caller.endAsync(true), offering.endAsync(true)]);
    }
  }));
