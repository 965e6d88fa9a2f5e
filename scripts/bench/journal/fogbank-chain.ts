// Fogbank as a system that stores and forwards: over one hop, and over two with the middle or the top dead. Whatever dies is killed.
import type { BenchContext } from "../benchmark.ts";
import { until, type TreeLevel } from "../bench-tree.ts";
import { createChain, startChain } from "./chain.ts";
import type { ForwardSystem, RunningSystem } from "./forward-system.ts";
import { publishOverMqtt } from "./mqtt-load.ts";
import { countArrived, readBack } from "./stored-messages.ts";

interface Variant {
  readonly name: string;
  /** From the top. */
  readonly levels: readonly TreeLevel[];
  /** The node that dies first, and the one below it, where the backlog waits. */
  readonly parent: TreeLevel;
  readonly child: TreeLevel;
  /** Of the stream: by number, as the others deliver, or as it is where nothing is configured. */
  readonly order: "strict" | "live-first";
}

/** The backlog arrives from its fresh end, which the other systems do not offer. */
export const newestFirst = "Fogbank, one hop, newest first";

const oneHop = { levels: ["cloud", "device"], parent: "cloud", child: "device" } as const;
const twoHops = { levels: ["cloud", "fog", "device"] } as const;

const variants: readonly Variant[] = [
  { name: "Fogbank, one hop", ...oneHop, order: "strict" },
  { name: newestFirst, ...oneHop, order: "live-first" },
  { name: "Fogbank, two hops, middle dead", ...twoHops, parent: "fog", child: "device", order: "strict" },
  { name: "Fogbank, two hops, top dead", ...twoHops, parent: "cloud", child: "fog", order: "strict" },
];

const settleMsMax = 60_000;

export const fogbankChains: readonly ForwardSystem[] = variants.map((variant) => ({
  name: variant.name,
  description: `${variant.name}: this checkout, types stripped at the start, the cloud with its SQLite store`,
  start: (context, folder) => start(variant, context, folder),
}));

function streamOf(order: Variant["order"]): string {
  return `streams = ( { name = "data"; filters = ("/data/#"); order = "${order}"; } );`;
}

async function start(
  { levels, order, ...roles }: Variant,
  { nodeDeps, generator }: BenchContext,
  folder: string,
): Promise<RunningSystem> {
  await using stack = new AsyncDisposableStack();
  const chain = stack.use(await createChain(nodeDeps, levels, () => ({ folder, settings: [streamOf(order)] })));
  await startChain(chain, levels);
  const [parent, child, device, cloud] = [roles.parent, roles.child, "device" as const, "cloud" as const].map((level) =>
    chain.at(level),
  );
  if (parent === undefined || child === undefined || device === undefined || cloud === undefined)
    throw new Error("each role is a level of the chain");
  const pidOf = (level: TreeLevel): number => chain.at(level).started().pid;
  let published = 0;
  const owned = stack.move();
  return {
    stopParent: () => parent.node.kill(),
    startParent: async () => (await parent.start()).readyAtMs,
    async restartChild() {
      await child.node.kill();
      await child.start();
    },
    async publish(load) {
      const report = await publishOverMqtt(generator, device.node.mqttPort, load);
      published += report.published;
      return report;
    },
    settled: () =>
      until("the backlog lies below the dead node", settleMsMax, async () => {
        return (await countArrived(child.node.httpPort, device.node.name)).durable >= published;
      }),
    arrived: () => countArrived(cloud.node.httpPort, device.node.name),
    verdict: (acked) => readBack(cloud.node.httpPort, device.node.name, acked),
    pids: () => ({
      child: pidOf("device"),
      ...(levels.includes("fog") ? { between: pidOf("fog") } : {}),
      parent: pidOf("cloud"),
    }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
