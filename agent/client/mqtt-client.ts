// One MQTT 3.1.1 connection to a node, through the `mqtt` package. It never reconnects and keeps nothing: what is to happen
// after the end of a connection is decided by whoever opened it.
import type { IClientOptions, MqttClient as Connection } from "mqtt";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import type { Message, Qos } from "#shared/system/bus.ts";
import type { Clock } from "#shared/system/clock.ts";
import { loadMqtt } from "../system/mqtt-library.ts";
import { within } from "./deadline.ts";

export interface MqttClientConfig {
  readonly host: string;
  readonly port: number;
  /** The node's certificate is verified against the authorities that Node believes: NODE_EXTRA_CA_CERTS names more. */
  readonly isTls?: true;
  readonly username?: string;
  readonly password?: string;
  /** Made up when absent. */
  readonly clientId?: string | undefined;
  readonly onMessage?: (message: Message) => void;
}

/** Disposed means disconnected and awaited. */
export interface MqttClient extends AsyncDisposable {
  /** Aborts, with a FogbankError as its reason, when the connection is over. */
  readonly ended: AbortSignal;
  /** Resolves when the node has acknowledged, at QoS 0 when it is sent. Rejects when the connection ends before. */
  publish(message: Message): Promise<void>;
  /** The filters that the node refuses. Rejects when the connection ends before the answer. */
  subscribe(filters: readonly string[], qos: Qos): Promise<readonly string[]>;
}

/** How long a goodbye may take. */
const goodbyeMsMax = 1_000;

/** Rejects with FOGBANK_NOT_CONNECTED, or with the signal's reason. An abort later on ends the connection. */
export async function connectMqttClient(
  clock: Clock,
  config: MqttClientConfig,
  signal: AbortSignal,
): Promise<MqttClient> {
  signal.throwIfAborted();
  const { host, port, isTls, username, password, clientId } = config;
  const connect = await loadMqtt();
  signal.throwIfAborted();
  const connection = connect({
    ...clientOptions,
    host,
    port,
    ...(isTls && { protocol: "mqtts" }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(clientId === undefined ? {} : { clientId }),
  });
  const client = new NodeConnection(clock, connection, `${isTls ? "mqtts" : "mqtt"}://${host}:${port}`, signal);
  const { onMessage } = config;
  if (onMessage !== undefined) {
    connection.on("message", (topic, payload, { qos, retain }) => onMessage({ topic, payload, qos, retain }));
  }
  try {
    await client.connected();
    return client;
  } catch (error) {
    await client[Symbol.asyncDispose]();
    throw error;
  }
}

const clientOptions: IClientOptions = {
  protocol: "mqtt",
  protocolVersion: 4,
  clean: true,
  keepalive: limits.keepaliveSeconds,
  connectTimeout: limits.connectTimeoutMs,
  reconnectPeriod: 0,
  resubscribe: false,
};

class NodeConnection implements MqttClient {
  readonly #clock: Clock;
  readonly #connection: Connection;
  readonly #url: string;
  readonly #signal: AbortSignal;
  readonly #end = new AbortController();
  /** What waits for the node's answer: to be rejected when none will come. */
  readonly #waiting = new Set<(reason: unknown) => void>();
  #lastError = "";
  #wasConnected = false;

  constructor(clock: Clock, connection: Connection, url: string, signal: AbortSignal) {
    this.#clock = clock;
    this.#connection = connection;
    this.#url = url;
    this.#signal = signal;
    connection.on("error", (error) => (this.#lastError = describe(error)));
    connection.on("close", () => this.#over(this.#notConnected()));
    signal.addEventListener("abort", this.#abort, { once: true });
  }

  get ended(): AbortSignal {
    return this.#end.signal;
  }

  async connected(): Promise<void> {
    await this.#answer<void>((done) => this.#connection.once("connect", () => done(null, undefined)));
    this.#wasConnected = true;
  }

  publish({ topic, payload, qos, retain }: Message): Promise<void> {
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
    return this.#answer((done) =>
      this.#connection.publish(topic, bytes, { qos, retain }, (error) => done(error, undefined)),
    );
  }

  subscribe(filters: readonly string[], qos: Qos): Promise<readonly string[]> {
    return this.#answer((done) =>
      this.#connection.subscribe([...filters], { qos }, (error, _granted, packet) => {
        // The package reports the failure code 128 [MQTT-3.9.3-2] as an error, with the packet.
        if (packet === undefined) done(error, []);
        else
          done(
            null,
            filters.filter((_filter, at) => Number(packet.granted[at]) > 2),
          );
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#signal.removeEventListener("abort", this.#abort);
    const isIdle = this.#connection.connected && this.#waiting.size === 0;
    const closed = new Promise<void>((resolve) => this.#connection.end(!isIdle, {}, () => resolve()));
    try {
      await within(this.#clock, goodbyeMsMax, closed, () => new Error("the node does not close the connection"));
    } catch {
      this.#connection.stream.destroy();
    }
  }

  readonly #abort = (): void => {
    this.#over(this.#signal.reason);
    this.#connection.end(true);
  };

  async #answer<T>(ask: (done: (error: Error | null | undefined, value: T) => void) => void): Promise<T> {
    this.ended.throwIfAborted();
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      ask((error, value) => {
        if (!this.#waiting.delete(reject)) return;
        if (error) reject(this.#notConnected(describe(error)));
        else resolve(value);
      });
    });
  }

  #over(reason: unknown): void {
    if (this.ended.aborted) return;
    this.#end.abort(reason);
    for (const reject of this.#waiting) reject(reason);
    this.#waiting.clear();
  }

  #notConnected(reason = this.#lastError): FogbankError {
    const why = reason === "" ? "it closed the connection" : reason;
    const text = this.#wasConnected
      ? `the connection to ${this.#url} is over (${why})`
      : `cannot reach a node at ${this.#url} (${why}): start it there, or give the address that its listen.mqtt names`;
    return new FogbankError("FOGBANK_NOT_CONNECTED", text);
  }
}

function describe(error: Error): string {
  if (error.message !== "") return error.message;
  return "code" in error ? String(error.code) : "unknown failure";
}
