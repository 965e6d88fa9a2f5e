// Fogbank's broker on a port of this process, with a clock that stands still and a store in memory whose commits a test can hold.
import { once } from "node:events";
import { connect as connectTcp, type Socket } from "node:net";
import { treeAuthorizer } from "#agent/broker/authorize.ts";
import type { Authorizer, Broker } from "#agent/broker/broker.ts";
import { startCoreBroker } from "#agent/broker/core-broker.ts";
import { systemRandom } from "#agent/system/system-random.ts";
import type { SessionStore } from "#shared/system/session-store.ts";
import { FakeClock } from "./fake-clock.ts";
import { createMemorySessionStore, type MemorySessionStore } from "./memory-session-store.ts";
import { RawClient, type ProtocolVersion } from "./raw-client.ts";
import { silentLogger, type SilentLogger } from "./silent-logger.ts";

export interface CoreBenchOptions {
  readonly authorizer?: Authorizer;
  readonly store?: MemorySessionStore;
}

export class CoreBench implements AsyncDisposable {
  readonly broker: Broker;
  readonly clock: FakeClock;
  readonly port: number;
  readonly log: SilentLogger;
  readonly #store: HeldStore;
  readonly #sockets: Socket[] = [];
  readonly #clients: RawClient[] = [];

  private constructor(broker: Broker, at: { clock: FakeClock; port: number; log: SilentLogger }, store: HeldStore) {
    this.broker = broker;
    this.clock = at.clock;
    this.port = at.port;
    this.log = at.log;
    this.#store = store;
  }

  static async start({ authorizer = treeAuthorizer, store }: CoreBenchOptions = {}): Promise<CoreBench> {
    const clock = new FakeClock();
    const held = new HeldStore(store ?? createMemorySessionStore());
    const log = silentLogger();
    const deps = { clock, log, random: systemRandom, store: held };
    const broker = await startCoreBroker(deps, { authorizer });
    const [address] = await broker.listen([{ host: "127.0.0.1", port: 0 }]);
    return new CoreBench(broker, { clock, log, port: address?.port ?? 0 }, held);
  }

  /** A bare connection; whatever ends it is no error of the test. */
  async socket(): Promise<Socket> {
    const socket = connectTcp({ port: this.port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    socket.on("error", () => {});
    this.#sockets.push(socket);
    await once(socket, "connect");
    return socket;
  }

  /** A client that was accepted: a clean session without keep alive unless told. */
  async client(
    clientId: string,
    protocolVersion: ProtocolVersion = 4,
    options: Parameters<RawClient["connect"]>[0] = {},
  ): Promise<RawClient> {
    const client = await RawClient.open(this.port, { protocolVersion });
    this.#clients.push(client);
    const { returnCode, reasonCode } = await client.connect({ clientId, ...options });
    const code = returnCode ?? reasonCode;
    if (code !== 0) throw new Error(`the connection of ${clientId} was refused with ${code}`);
    return client;
  }

  /** A publish and its delivery to another client: the broker works. */
  async proveAlive(): Promise<void> {
    await using subscriber = await this.client("alive-subscriber");
    await using publisher = await this.client("alive-publisher");
    await subscriber.sendPacket({ cmd: "subscribe", messageId: 1, subscriptions: [{ topic: "alive", qos: 1 }] });
    await subscriber.answer("suback");
    const payload = Buffer.from("yes");
    await publisher.sendPacket({
      cmd: "publish",
      topic: "alive",
      payload,
      qos: 1,
      messageId: 1,
      dup: false,
      retain: false,
    });
    await subscriber.answer("publish");
    await publisher.answer("puback");
  }

  /** From here on nothing is committed. */
  holdStore(): void {
    this.#store.hold();
  }

  releaseStore(): void {
    this.#store.release();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#store.release();
    for (const client of this.#clients) await client[Symbol.asyncDispose]();
    for (const socket of this.#sockets) socket.destroy();
    await this.broker[Symbol.asyncDispose]();
  }
}

/** Wakes the store behind it only while it is not held. */
class HeldStore implements SessionStore {
  readonly #store: MemorySessionStore;
  #isHeld = false;
  #isDue = false;

  constructor(store: MemorySessionStore) {
    this.#store = store;
  }

  sessions(): ReturnType<SessionStore["sessions"]> {
    return this.#store.sessions();
  }

  retained(after: string, bytesMax: number): ReturnType<SessionStore["retained"]> {
    return this.#store.retained(after, bytesMax);
  }

  queue(session: number, from: number, bytesMax: number): ReturnType<SessionStore["queue"]> {
    return this.#store.queue(session, from, bytesMax);
  }

  contribute(source: Parameters<SessionStore["contribute"]>[0]): void {
    this.#store.contribute(source);
  }

  wake(): void {
    if (this.#isHeld) this.#isDue = true;
    else this.#store.wake();
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    if (this.#isDue) this.#store.wake();
    this.#isDue = false;
  }
}
