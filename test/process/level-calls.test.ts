// Functions of one level and of several on real processes: with MQTT 5 request and response, and with the command line.
import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import { expect, test } from "vitest";
import { eventually, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { call, linked, lines, withTree } from "./call-tree.ts";

function connect({ mqttPort }: NodeUnderTest, protocolVersion: IClientOptions["protocolVersion"]): Promise<MqttClient> {
  return connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { protocolVersion, reconnectPeriod: 0 });
}

/** Offers "double" to an older client's taste: the answer goes where the body says. */
async function offerDouble(node: NodeUnderTest): Promise<MqttClient> {
  const client = await connect(node, 4);
  await client.subscribeAsync("/level/functions/double", { qos: 1 });
  client.on("message", (_topic, payload) => {
    const { args, reply } = JSON.parse(payload.toString()) as { readonly args: number; readonly reply: string };
    client.publish(reply, JSON.stringify(args < 0 ? { error: "too small" } : { result: args * 2 }), { qos: 1 });
  });
  return client;
}

test("[J10] [C14] MQTT 5: the response topic hears, with the correlation data; the expiry ends what nobody answers", () =>
  withTree(async ({ devices: [device] }) => {
    if (device === undefined) throw new Error("unreachable");
    const clients = [await offerDouble(device), await connect(device, 5)];
    const [, caller] = clients;
    if (caller === undefined) throw new Error("unreachable");
    try {
      await caller.subscribeAsync("/answers/+", { qos: 1 });
      await caller.subscribeAsync("/level/functions/deaf", { qos: 0 });
      const answer = (topic: string): Promise<readonly [unknown, string | undefined]> =>
        new Promise((resolve) =>
          caller.on("message", (where, payload, { properties }: IPublishPacket) => {
            if (where === topic)
              resolve([JSON.parse(payload.toString()), properties?.correlationData?.toString("hex")]);
          }),
        );
      const answers = [answer("/answers/double"), answer("/answers/deaf")];
      for (const [name, correlation] of [
        ["double", "00ff"],
        ["deaf", "01"],
      ] as const) {
        await caller.publishAsync(`/level/functions/${name}`, "21", {
          qos: 1,
          properties: {
            responseTopic: `/answers/${name}`,
            correlationData: Buffer.from(correlation, "hex"),
            messageExpiryInterval: 1,
          },
        });
      }
      expect(await Promise.all(answers)).toEqual([
        [{ id: expect.any(String), node: "device-1", status: "done", value: 42 }, "00ff"],
        [{ id: expect.any(String), node: "device-1", status: "failed", reason: "no answer before the deadline" }, "01"],
      ]);
    } finally {
      await Promise.all(clients.map((client) => client.endAsync(true)));
    }
  }));

test("[J11] [J12] [J16.7–9] [J16.14] --levels asks the levels above at once or in turn, and skips those that are out of reach", () =>
  withTree(async ({ cloud, fog, devices: [device] }) => {
    if (device === undefined) throw new Error("unreachable");
    await linked(device, fog);
    await eventually(
      () => device.status(),
      ({ uplink }) => uplink.path.length === 2,
    );
    const clients = [await offerDouble(fog), await offerDouble(cloud)];
    try {
      const all = await call(device, "--levels", "device,fog,cloud", "double", "21");
      expect(all).toMatchObject({ code: 1, stderr: "" });
      expect(lines(all).toSorted()).toEqual(
        [
          "LEVEL NODE STATUS RESULT",
          'device device-1 refused nobody on this node offers the function "double"',
          "fog fog-1 ok 42",
          "cloud cloud-1 ok 42",
          "",
        ].toSorted(),
      );
      const first = await call(device, "--levels", "device,fog,cloud", "--sequential", "--json", "double", "21");
      expect(first).toMatchObject({ code: 0, stderr: "" });
      expect(JSON.parse(first.stdout)).toMatchObject({
        ok: true,
        outcomes: [
          { node: "device-1", status: "refused" },
          { node: "fog-1", status: "ok", value: 42 },
        ],
      });
      expect((await call(device, "--levels", "fog,cloud", "double", "-1")).code).toBe(1);
      await cloud.end();
      await eventually(
        () => device.status(),
        ({ uplink }) => uplink.path[0]?.uplink === "down",
      );
      const cut = await call(device, "--levels", "cloud,fog", "--sequential", "double", "1");
      expect(cut).toMatchObject({ code: 0, stderr: "" });
      expect(lines(cut).slice(1)).toEqual([
        expect.stringMatching(/^cloud cloud-1 unreachable fog-1 has had no link to its parent since \S+Z$/),
        "fog fog-1 ok 2",
        "",
      ]);
    } finally {
      await Promise.all(clients.map((client) => client.endAsync(true)));
    }
  }));
