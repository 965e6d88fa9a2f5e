// The single binary at each level, with nothing but its addresses and folders set.
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Level } from "#shared/ids.ts";
import { fetchLedger, fetchStatus } from "../../demo/node-api.ts";
import { createBenchNode, type BenchNodeDeps } from "../bench-node.ts";
import { until } from "../bench-tree.ts";
import type { FlowOrder } from "../generator-protocol.ts";
import { passedOn, type Contender, type ContenderProcess } from "./contender.ts";

const linkMsMax = 30_000;
const storedMsMax = 300_000;

/** Acknowledged after a sync, and handed on to the parent. */
const recorded: FlowOrder = { topic: "/data/bench", publishers: 50, outstanding: 20, payloadBytes: 64 };

export function fogbankContenders(binary: string): readonly Contender[] {
  const linked = "it measures its machine once a second, and is linked to a cloud node";
  return [
    contender("device", linked, binary, "device", passedOn),
    contender(
      "device, recording",
      "the same, below /data: all durable, and stored at the cloud",
      binary,
      "device",
      recorded,
    ),
    contender("fog", "linked to a cloud node", binary, "fog"),
    contender("cloud", "the root, with its document store", binary, "cloud"),
  ];
}

function contender(name: string, description: string, binary: string, level: Level, load?: FlowOrder): Contender {
  return {
    name: `Fogbank ${name}`,
    description,
    ...(load === undefined ? {} : { load }),
    start: (deps, folder) => startLinked(deps, folder, binary, level, load === recorded),
  };
}

async function startLinked(
  deps: BenchNodeDeps,
  folder: string,
  binary: string,
  level: Level,
  isRecorded: boolean,
): Promise<ContenderProcess> {
  await using stack = new AsyncDisposableStack();
  const parent =
    level === "cloud"
      ? undefined
      : await createBenchNode(deps, {
          folder,
          name: "bench-parent",
          level: "cloud",
          uplinkPort: undefined,
          measuresHost: false,
          // A file of its own: what two processes share of one would be counted as half.
          executable: copyOf(binary, join(folder, "parent")),
        });
  if (parent !== undefined) await stack.use(parent).start();
  const node = await createBenchNode(deps, {
    folder,
    level,
    uplinkPort: parent?.mqttPort,
    measuresHost: level === "device",
    executable: copyOf(binary, join(folder, "node")),
  });
  const { pid, cpuMs } = await stack.use(node).start();
  if (parent !== undefined) {
    await until("the node is linked", linkMsMax, async () => (await fetchStatus(node.httpPort)).uplink.state === "up");
  }
  const owned = stack.move();
  return {
    pid,
    port: node.mqttPort,
    readyCpuMs: cpuMs,
    async settled(messages) {
      if (!isRecorded || parent === undefined) return;
      await until("the cloud has all", storedMsMax, async () => {
        const streams = await fetchLedger(parent.httpPort, node.name);
        return streams.reduce((sum, { stored }) => sum + stored, 0) >= messages;
      });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function copyOf(binary: string, folder: string): string {
  mkdirSync(folder);
  const copy = join(folder, "fogbank");
  copyFileSync(binary, copy);
  return copy;
}
