// The broker that the conformance suites talk to: the project's own in this process, or, to check the suites themselves, any other
// one that listens at FOGBANK_CONFORMANCE_PORT of this machine (see docs/mqtt-conformance.md). The suites know it by its port only.
import { setTimeout as sleep } from "node:timers/promises";
import { startCoreBroker } from "#agent/broker/core-broker.ts";
import type { Authorizer } from "#agent/broker/broker.ts";
import type { IConnectPacket } from "mqtt-packet";
import { systemRandom } from "#agent/system/system-random.ts";
import { createMemorySessionStore } from "../fakes/memory-session-store.ts";
import { FakeClock } from "../fakes/fake-clock.ts";
import { RawClient, type RawClientOptions } from "../fakes/raw-client.ts";
import { silentLogger } from "../fakes/silent-logger.ts";

const externalPort = Number(process.env["FOGBANK_CONFORMANCE_PORT"] ?? 0);

/** Whether it is somebody else's: its rules of access, bounds and clock are not ours. */
export const isExternal = externalPort > 0;

/** Nobody may publish or subscribe at this level or below, nor connect by this user name. In our own broker only. */
export const refused = "refused";

type ConnectOptions = Partial<Omit<IConnectPacket, "cmd" | "clientId" | "protocolVersion">> & RawClientOptions;

export class ConformanceBroker implements AsyncDisposable {
  readonly port: number;
  readonly #advance: (ms: number) => Promise<void>;
  readonly #stop: (clients: readonly RawClient[]) => Promise<void>;
  readonly #clients: RawClient[] = [];

  constructor(
    port: number,
    advance: (ms: number) => Promise<void>,
    stop: (clients: readonly RawClient[]) => Promise<void>,
  ) {
    this.port = port;
    this.#advance = advance;
    this.#stop = stop;
  }

  /** A connection that has sent nothing yet. It ends with the broker. */
  async open(options: RawClientOptions = {}): Promise<RawClient> {
    const client = await RawClient.open(this.port, { waitMs: isExternal ? 8_000 : 5_000, ...options });
    this.#clients.push(client);
    return client;
  }

  /** A client whose connection was accepted: a clean session without keepalive unless told. */
  async connect(clientId: string, { protocolVersion, ...options }: ConnectOptions = {}): Promise<RawClient> {
    const client = await this.open(protocolVersion === undefined ? {} : { protocolVersion });
    const { returnCode, reasonCode } = await client.connect({ clientId, ...options });
    const code = returnCode ?? reasonCode;
    if (code !== 0) throw new Error(`the connection of ${clientId} was refused with ${code}`);
    return client;
  }

  /** Moves the broker's time on; waits for real where the clock is not ours. */
  advance(ms: number): Promise<void> {
    return this.#advance(ms);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client[Symbol.asyncDispose]();
    await this.#stop(this.#clients);
  }
}

/** A broker that remembers nothing of an earlier test. */
export async function conformanceBroker(): Promise<ConformanceBroker> {
  if (isExternal) return new ConformanceBroker(externalPort, (ms) => sleep(ms), cleanUp);
  const clock = new FakeClock();
  const store = createMemorySessionStore();
  const broker = await startCoreBroker({ clock, log: silentLogger(), random: systemRandom, store }, { authorizer });
  const [address] = await broker.listen([{ host: "127.0.0.1", port: 0 }]);
  const advance = (ms: number) => clock.advance(ms);
  return new ConformanceBroker(address?.port ?? 0, advance, async () => broker[Symbol.asyncDispose]());
}

/** Every topic is open, those with `$` too: the suites are about the protocol, not about our tree. */
const authorizer: Authorizer = {
  connect: ({ username }) =>
    username === refused ? { refused: "not-authorized", reason: "the test wants it so" } : true,
  publish: (_client, topic) => topic.split("/")[0] !== refused,
  subscribe: (_client, filter) => filter.split("/")[0] !== refused,
  roleOf: () => undefined,
  userOf: () => "",
};

/** Removes the sessions and retained messages that a test leaves behind in a broker that runs on. */
async function cleanUp(clients: readonly RawClient[]): Promise<void> {
  for (const clientId of new Set(clients.flatMap((client) => client.clientIds))) {
    const client = await RawClient.open(externalPort);
    await client.connect({ clientId });
    await client.disconnect();
  }
  await using cleaner = await RawClient.open(externalPort);
  await cleaner.connect({ clientId: "cleaner" });
  const subscriptions = ["#", "$priv/#"].map((topic) => ({ topic, qos: 0 as const }));
  await cleaner.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions });
  await cleaner.answer("suback");
  await cleaner.ping();
  for (const packet of cleaner.unread) {
    if (packet.cmd !== "publish") continue;
    const { topic } = packet;
    await cleaner.sendPacket({ cmd: "publish", topic, payload: "", qos: 0, retain: true, dup: false });
  }
  await cleaner.ping();
  await cleaner.disconnect();
}
