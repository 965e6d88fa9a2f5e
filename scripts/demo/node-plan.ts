// One node of the demo before it runs: its name, place in the tree, files and addresses, and the configuration made of them.
import { join } from "node:path";
import type { Level } from "#shared/ids.ts";

export interface NodePlan {
  readonly name: string;
  readonly level: Level;
  readonly parent: string | undefined;
  readonly configFile: string;
  readonly dataDir: string;
  readonly logFile: string;
  /** Where a device writes down each message that was acknowledged. */
  readonly recordFile: string;
}

/** Where a node can be reached on 127.0.0.1. */
export interface NodePorts {
  readonly mqtt: number;
  readonly http: number;
}

/** Everything of the node lies under `folder`. */
export function planNode(folder: string, name: string, level: Level, parent: string | undefined): NodePlan {
  const file = (ending: string): string => join(folder, `${name}${ending}`);
  return {
    name,
    level,
    parent,
    configFile: file(".conf"),
    dataDir: file(""),
    logFile: file(".log"),
    recordFile: file(".record"),
  };
}

/** The node's configuration file, in libconfig syntax. `uplinkPort` is the parent's broker. */
export function configText(plan: NodePlan, ports: NodePorts, uplinkPort: number | undefined): string {
  const isDevice = plan.level === "device";
  const host = isDevice ? `enabled = true; record = ${quote(plan.recordFile)};` : "enabled = false;";
  const lines = [
    `name = ${quote(plan.name)};`,
    `level = ${quote(plan.level)};`,
    ...(isDevice ? [`zone = "hall-1";`, `tags = ("demo");`] : []),
    `data-dir = ${quote(plan.dataDir)};`,
    `listen: { mqtt = "127.0.0.1:${ports.mqtt}"; http = "127.0.0.1:${ports.http}"; };`,
    ...(uplinkPort === undefined ? [] : [`uplink: { url = "mqtt://127.0.0.1:${uplinkPort}"; };`]),
    `sources: { host: { ${host} }; };`,
  ];
  return `${lines.join("\n")}\n`;
}

function quote(text: string): string {
  return `"${text.replace(/[\\"]/g, "\\$&")}"`;
}
