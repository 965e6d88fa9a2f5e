// aedes with its defaults, in a process of its own.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BrokerKind } from "./broker-kind.ts";
import { startBrokerProcess } from "./broker-process.ts";

const server = fileURLToPath(new URL("./aedes-server.ts", import.meta.url));

export const aedes: BrokerKind = {
  name: "aedes",
  describe() {
    const manifest = fileURLToPath(new URL("./package.json", import.meta.resolve("aedes")));
    const { version } = JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string };
    return `aedes ${version}, its defaults, in memory, TCP without delay`;
  },
  async start(deps, { folder }) {
    const port = await deps.pickPort();
    return startBrokerProcess(deps.guard, port, {
      name: "aedes",
      command: process.execPath,
      args: [server, String(port)],
      logFile: join(folder, "aedes.log"),
      ready: "line",
    });
  },
};
