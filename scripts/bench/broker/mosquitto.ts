// Mosquitto from the machine's packages, in memory, with as few bounds as it can have.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { NotSupported } from "../mqtt-socket.ts";
import type { BrokerKind } from "./broker-kind.ts";
import { startBrokerProcess } from "./broker-process.ts";

const foldersOfServers = ["/usr/sbin", "/usr/local/sbin"];

export const mosquitto: BrokerKind = {
  name: "mosquitto",
  describe() {
    const command = findMosquitto();
    if (command === undefined) return undefined;
    return `Mosquitto ${mosquittoVersion(command)}, no persistence, no access control, queue unlimited, set_tcp_nodelay, max_inflight_messages unlimited or the window of the case`;
  },
  async start(deps, { folder, windowMax = 0 }) {
    const command = findMosquitto();
    if (command === undefined) throw new NotSupported("Mosquitto is not installed");
    const port = await deps.pickPort();
    const configFile = join(folder, "mosquitto.conf");
    await writeFile(configFile, configText(port, windowMax));
    return startBrokerProcess(deps.guard, port, {
      name: "mosquitto",
      command,
      args: ["-c", configFile],
      logFile: join(folder, "mosquitto.log"),
      ready: port,
    });
  },
};

export function mosquittoVersion(command: string): string {
  const { stdout } = spawnSync(command, ["-h"], { encoding: "utf8" });
  return /version (\S+)/.exec(stdout)?.[1] ?? "of unknown version";
}

export function findMosquitto(): string | undefined {
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...foldersOfServers];
  return folders.map((folder) => join(folder, "mosquitto")).find((path) => existsSync(path));
}

function configText(port: number, windowMax: number): string {
  const lines = [
    `listener ${port} 127.0.0.1`,
    "allow_anonymous true",
    "persistence false",
    "max_queued_messages 0",
    `max_inflight_messages ${windowMax}`,
    "set_tcp_nodelay true",
    "log_dest stderr",
    "log_type error",
    "log_type warning",
  ];
  return `${lines.join("\n")}\n`;
}
