// Our own client, as the benchmark uses it.
import { systemClock } from "#agent/system/system-clock.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { openZooKeeper } from "#cloud/coordination/zookeeper/client.ts";
import type { Contender } from "./contender.ts";

const operationMs = 15_000;

export const ownContender: Contender = {
  name: "fogbank",
  async open(ports, timeoutMs) {
    const servers = ports.map((port) => ({ host: "127.0.0.1", port }));
    const client = openZooKeeper(
      { servers, chroot: "", timeoutMs, operationMs },
      { clock: systemClock, random: systemRandom },
    );
    await client.exists("/");
    return {
      create: async (path, data) => client.create(path, { data }),
      set: async (path, data) => client.set(path, data),
      get: async (path) => client.get(path),
      close: async () => client.close(),
    };
  },
};
