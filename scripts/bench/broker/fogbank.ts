// Fogbank as a user starts it: `fogbank run` with its addresses and nothing else.
import { join } from "node:path";
import { program } from "../bench-node.ts";
import type { BrokerKind } from "./broker-kind.ts";
import { startBrokerProcess } from "./broker-process.ts";
import { benchUser, usersFileArguments } from "./fogbank-users.ts";
import { slowSyncEnvironment } from "./slow-sync.ts";

export const fogbank: BrokerKind = {
  name: "fogbank",
  describe: () =>
    "Fogbank of this checkout, types stripped at the start, only addresses, data folder and users set: one user with 20 access rules (not with --no-acl)",
  async start(deps, { folder, syncDelayMs, isAclOn }) {
    const [port, httpPort] = [await deps.pickPort(), await deps.pickPort()];
    const settings = [
      `listen.mqtt=127.0.0.1:${port}`,
      `listen.http=127.0.0.1:${httpPort}`,
      `data-dir=${join(folder, "data")}`,
    ];
    const args = [
      program,
      "run",
      ...settings.flatMap((setting) => ["--set", setting]),
      ...(isAclOn ? await usersFileArguments(folder) : []),
    ];
    const slow = syncDelayMs === undefined ? {} : await slowSyncEnvironment(folder, syncDelayMs);
    const broker = await startBrokerProcess(deps.guard, port, {
      name: "fogbank",
      command: process.execPath,
      args,
      env: { ...withoutSettings(process.env), ...slow },
      logFile: join(folder, "fogbank.log"),
      ready: "line",
    });
    return isAclOn ? { ...broker, user: benchUser } : broker;
  },
};

/** Without settings of other nodes. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith("FOGBANK_")));
}
