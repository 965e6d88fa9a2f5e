// A real ZooKeeper for tests, and clients of it. Where there can be none, tests are skipped with the reason, or fail if that is asked for.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "#agent/system/system-clock.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import { openZooKeeper, type ZooKeeperClient, type ZooKeeperOptions } from "#cloud/coordination/zookeeper/client.ts";
import { parseServerList } from "#cloud/coordination/zookeeper/server-list.ts";
import type { SessionChange } from "#cloud/coordination/zookeeper/session-state.ts";
import { startOrphanGuard } from "../../scripts/demo/orphan-guard.ts";
import {
  findZooKeeper,
  startEnsemble,
  startStandalone,
  type ServerStart,
  type ZooKeeperProgram,
  type ZooKeeperServer,
} from "../../scripts/services/zookeeper.ts";
import type { ServerTls } from "../../scripts/services/zookeeper-config.ts";

/** Why no server can be run here; undefined where one can. Throws instead where FOGBANK_TEST_SERVICES is `required`. */
export interface ZooKeeperHere {
  readonly program: ZooKeeperProgram | undefined;
  readonly missing: string | undefined;
}

export async function zooKeeperHere(): Promise<ZooKeeperHere> {
  try {
    return { program: await findZooKeeper(), missing: undefined };
  } catch (error) {
    const missing = `no ZooKeeper can be run here: ${error instanceof Error ? error.message : String(error)}`;
    if (process.env["FOGBANK_TEST_SERVICES"] === "required") throw new Error(missing, { cause: error });
    process.stderr.write(`SKIPPED, tests against a real ZooKeeper: ${missing}\n`);
    return { program: undefined, missing };
  }
}

/** Three servers, which end with `stack`, or with this process at the latest. */
export async function ensembleFor(
  { program }: ZooKeeperHere,
  stack: AsyncDisposableStack,
): Promise<readonly ZooKeeperServer[]> {
  return serversFor(program, stack, async (known, start) => startEnsemble(known, start));
}

/** One server, with TLS on a second port. */
export async function standaloneFor(
  { program }: ZooKeeperHere,
  stack: AsyncDisposableStack,
  tls?: ServerTls,
): Promise<ZooKeeperServer | undefined> {
  return (await serversFor(program, stack, async (known, start) => [await startStandalone(known, start, tls)]))[0];
}

async function serversFor(
  program: ZooKeeperProgram | undefined,
  stack: AsyncDisposableStack,
  start: (program: ZooKeeperProgram, start: ServerStart) => Promise<readonly ZooKeeperServer[]>,
): Promise<readonly ZooKeeperServer[]> {
  if (program === undefined) return [];
  const folder = mkdtempSync(join(tmpdir(), "fogbank-zookeeper-"));
  stack.defer(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const servers = await start(program, { folder, guard: stack.use(startOrphanGuard()) });
  stack.defer(async () => void (await Promise.all(servers.map(async (server) => server.kill()))));
  return servers;
}

export function listOf(ports: readonly { readonly port: number }[]): string {
  return ports.map(({ port }) => `127.0.0.1:${port}`).join(",");
}

/** A client, and what its session has told since it was made. */
export interface ToldClient extends AsyncDisposable {
  readonly zk: ZooKeeperClient;
  readonly told: readonly SessionChange[];
  /** Resolves with the next change of that type, from now on. */
  next(type: SessionChange["type"]): Promise<SessionChange>;
}

export function client(list: string, options: Partial<ZooKeeperOptions> = {}): ToldClient {
  const settings = { ...parseServerList(list), timeoutMs: 4_000, operationMs: 15_000, ...options };
  const zk = openZooKeeper(settings, { clock: systemClock, random: systemRandom });
  const told: SessionChange[] = [];
  zk.onSession((change) => told.push(change));
  return {
    zk,
    told,
    next: async (type) =>
      new Promise((resolve) => {
        const listener = zk.onSession((change) => {
          if (change.type !== type) return;
          listener[Symbol.dispose]();
          resolve(change);
        });
      }),
    [Symbol.asyncDispose]: async () => zk.close(),
  };
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const text = (data: Uint8Array): string => new TextDecoder().decode(data);
