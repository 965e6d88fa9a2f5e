// Two Mosquittos, the lower one with a bridge to the upper one, and a subscriber with a session at the upper one.
// The parent is asked to stop: killed, it would forget the session of its subscriber.
import { mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BenchContext } from "../benchmark.ts";
import { until } from "../bench-tree.ts";
import { findMosquitto, mosquittoVersion } from "../broker/mosquitto.ts";
import { startMeasuredProcess, type MeasuredProcess, type ProcessStart } from "../measured-process.ts";
import { openMqttSocket } from "../mqtt-socket.ts";
import { encodePublish } from "../packets.ts";
import type { ForwardSystem, MissingSystem, RunningSystem } from "./forward-system.ts";
import { publishOverMqtt } from "./mqtt-load.ts";
import { startSessionSubscriber } from "./session-subscriber.ts";

interface Variant {
  readonly name: string;
  /** Lines of both configurations. */
  readonly settings: readonly string[];
}

const variants: readonly Variant[] = [
  { name: "Mosquitto, as shipped", settings: [] },
  { name: "Mosquitto, unlimited", settings: ["max_queued_messages 0"] },
  {
    name: "Mosquitto, unlimited, 1000 in flight",
    settings: ["max_queued_messages 0", "max_inflight_messages 1000"],
  },
];

const linkMsMax = 30_000;
const topics = "/data/#";

export function findMosquittoBridges(): readonly ForwardSystem[] | MissingSystem {
  const command = findMosquitto();
  if (command === undefined) return { missing: "Mosquitto is not installed" };
  const version = mosquittoVersion(command);
  return variants.map(({ name, settings }) => ({
    name,
    description: `${name}: ${version}, a bridge with Debian's settings${settings.length === 0 ? "" : ` and ${settings.join(", ")}`}, persistence on`,
    start: (context, folder) => startBridge(command, settings, context, folder),
  }));
}

async function startBridge(
  command: string,
  settings: readonly string[],
  { nodeDeps, generator }: BenchContext,
  folder: string,
): Promise<RunningSystem> {
  await using stack = new AsyncDisposableStack();
  const parent = await createMosquitto("parent", () => settings);
  const child = await createMosquitto("child", () => [
    ...settings,
    "connection up",
    `address 127.0.0.1:${parent.port}`,
    "topic # out 1",
    "cleansession false",
  ]);
  await parent.start();
  const subscriber = stack.use(await startSessionSubscriber(parent.port, topics));
  await child.start();
  await linked();
  const owned = stack.move();
  return {
    stopParent: () => parent.end("SIGTERM"),
    startParent: async () => (await parent.start()).readyAtMs,
    async restartChild() {
      await child.end("SIGKILL");
      await child.start();
    },
    publish: (load) => publishOverMqtt(generator, child.port, load),
    settled: () => Promise.resolve(),
    arrived: () => Promise.resolve({ readable: subscriber.tally.received }),
    verdict(published) {
      const { tally } = subscriber;
      return Promise.resolve({
        lost: tally.lostOf(published),
        duplicates: tally.duplicates,
        overtaken: tally.overtaken,
      });
    },
    pids: () => ({ child: child.pid(), parent: parent.pid() }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };

  async function createMosquitto(name: string, more: () => readonly string[]) {
    const port = await nodeDeps.pickPort();
    const store = join(folder, name);
    mkdirSync(store, { recursive: true });
    const configFile = join(folder, `${name}.conf`);
    await writeFile(configFile, configText(port, store, more()));
    let running: MeasuredProcess | undefined;
    const start = async (): Promise<ProcessStart> => {
      const logFile = join(folder, `${name}.log`);
      const plan = { name, command, args: ["-c", configFile], logFile, ready: port };
      running = await startMeasuredProcess(nodeDeps.guard, plan);
      return running.start;
    };
    const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => running?.end(signal);
    stack.defer(() => end("SIGKILL"));
    return { port, start, end, pid: () => running?.start.pid ?? 0 };
  }

  /** Something that is none of the load's has come through. */
  async function linked(): Promise<void> {
    const greeting = encodePublish("/data/greeting", new TextEncoder().encode("hello"), { qos: 0 });
    const socket = await openMqttSocket(child.port, "bench-greeting", { onPacket: () => undefined });
    await until("the bridge carries a message", linkMsMax, async () => {
      socket.write(greeting.bytes);
      return subscriber.tally.foreign > 0;
    });
    socket.close();
  }
}

/** As Debian ships it, but for the listener, and for the user: one that may not write here could not persist. */
function configText(port: number, store: string, more: readonly string[]): string {
  const lines = [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    "user root",
    "persistence true",
    `persistence_location ${store}/`,
    "log_dest stderr",
    ...more,
  ];
  return `${lines.join("\n")}\n`;
}
