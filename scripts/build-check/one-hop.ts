// What a binary must do wherever it runs: take messages from mosquitto_pub, hand them on to its parent, and lose none to kill -9.
//
//   device <-- first half      both READY, first half at the cloud
//   cloud killed; device <-- second half; device killed      now only the device's disk has it
//   both started again         all at the cloud, each once and numbered in their order
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DataLine } from "#shared/reports.ts";
import { createPortPicker } from "../demo/free-ports.ts";
import type { OrphanGuard } from "../demo/orphan-guard.ts";
import { eventually, nodeUnderTest, type NodeUnderTest } from "../torture/node-under-test.ts";

export interface OneHopPlan {
  /** Empty; everything that the nodes read and write is below it. */
  readonly folder: string;
  /** Runs the program. */
  readonly command: readonly string[];
  readonly guard: OrphanGuard;
  /** Publishes each line as a message of QoS 1; rejects unless all are acknowledged. */
  publish(port: number, topic: string, lines: readonly string[]): Promise<void>;
}

export interface OneHopReport {
  /** Published, acknowledged, and found at the cloud, each once and numbered in their order. */
  readonly messages: number;
  /** Lines that the nodes wrote beside their log, such as warnings of Node itself. */
  readonly strayLines: readonly string[];
}

const half = 200;
const topic = "/data/check";
/** An emulated node takes seconds for what takes others milliseconds. */
const arriveMsMax = 60_000;

/** Rejects with what went wrong. */
export async function checkOneHop(plan: OneHopPlan): Promise<OneHopReport> {
  const { folder, guard, command } = plan;
  const pick = createPortPicker();
  const node = async (name: string, settings: string): Promise<NodeUnderTest> => {
    const ports = { mqtt: await pick(), http: await pick() };
    return nodeUnderTest(folder, name, ports, settings, guard, {}, command);
  };
  const cloud = await node("cloud-1", "level = cloud;");
  const uplink = `uplink: { url = "mqtt://127.0.0.1:${cloud.mqttPort}"; };`;
  const device = await node("device-1", `level = device; ${uplink} sources: { host: { enabled = false; }; };`);
  try {
    const wanted = await loseNothing(plan, cloud, device);
    for (const one of [device, cloud]) {
      const exit = await one.end("SIGTERM");
      if (exit !== 0) throw new Error(`${one.name} ended with ${exit} when it was asked to stop`);
    }
    return { messages: wanted.length, strayLines: ["cloud-1", "device-1"].flatMap((name) => strayLines(folder, name)) };
  } finally {
    await Promise.all([device.end(), cloud.end()]);
  }
}

async function loseNothing(plan: OneHopPlan, cloud: NodeUnderTest, device: NodeUnderTest): Promise<readonly string[]> {
  const lines = Array.from({ length: 2 * half }, (_, index) => `message ${index}`);
  await cloud.start();
  await device.start();
  await plan.publish(device.mqttPort, topic, lines.slice(0, half));
  await arrived(cloud, lines.slice(0, half));
  await cloud.end("SIGKILL");
  await plan.publish(device.mqttPort, topic, lines.slice(half));
  await device.end("SIGKILL");
  await Promise.all([cloud.start(), device.start()]);
  await arrived(cloud, lines);
  return lines;
}

/** Resolves when exactly these are at the cloud, numbered in their order. */
async function arrived(cloud: NodeUnderTest, wanted: readonly string[]): Promise<void> {
  const sent = async (): Promise<readonly DataLine[]> =>
    (await cloud.data("device-1")).filter((line) => line.topic === topic);
  await eventually(sent, ({ length }) => length >= wanted.length, arriveMsMax);
  // By their numbers: of what waited at the device the newest goes first.
  const found = (await sent()).toSorted((a, b) => a.seq - b.seq).map(({ payload }) => payload);
  const first = wanted.findIndex((line, index) => found[index] !== line);
  if (first >= 0) throw new Error(`message ${first} at the cloud is "${found[first]}", not "${wanted[first]}"`);
  if (found.length > wanted.length) throw new Error(`${found.length - wanted.length} messages came twice`);
}

/** The log is JSON; lines that begin with --- are those of the signals sent from here. */
function strayLines(folder: string, name: string): readonly string[] {
  const lines = readFileSync(join(folder, `${name}.log`), "utf8").split("\n");
  return lines.filter((line) => line !== "" && !line.startsWith("{") && !line.startsWith("--- "));
}

/** `mosquitto_pub` of that file. */
export function mosquittoPublisher(file: string, env: NodeJS.ProcessEnv = process.env): OneHopPlan["publish"] {
  return (port, to, lines) =>
    new Promise((resolve, reject) => {
      const args = ["-h", "127.0.0.1", "-p", String(port), "-q", "1", "-t", to, "-l"];
      const child = execFile(file, args, { env, timeout: arriveMsMax }, (error) => {
        if (error === null) resolve();
        else reject(new Error(`mosquitto_pub failed: ${error.message}`));
      });
      child.stdin?.end(lines.map((line) => `${line}\n`).join(""));
    });
}
