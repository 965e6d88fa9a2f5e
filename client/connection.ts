// One MQTT 5 connection to a node, over TCP, TLS or WebSocket. It never reconnects.
import mqtt from "mqtt";
import type { IClientOptions, IClientPublishOptions, IPublishPacket, MqttClient } from "mqtt";
import { FogbankClientError } from "./client-error.ts";

export type Qos = 0 | 1 | 2;

export interface ConnectionOptions {
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Seconds. */
  readonly keepalive: number;
  readonly connectTimeoutMs: number;
  /** The node keeps what is subscribed to, and what comes for it, while there is no connection. */
  readonly isKept: boolean;
}

/** How long. */
const keptSeconds = 3_600;

export interface Outgoing {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly expirySeconds?: number | undefined;
}

export interface Incoming {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  /** Identifiers of the subscriptions that it comes for. */
  readonly subscriptions: readonly number[];
}

/** Rejects with `not-connected` or `unauthorized`, or with the signal's reason, a FogbankClientError. */
export async function openConnection(
  url: string,
  options: ConnectionOptions,
  onMessage: (message: Incoming) => void,
  signal: AbortSignal,
): Promise<Connection> {
  const { clientId, username, password, keepalive, connectTimeoutMs, isKept } = options;
  const settings: IClientOptions = {
    protocolVersion: 5,
    clean: !isKept,
    clientId,
    keepalive,
    connectTimeout: connectTimeoutMs,
    reconnectPeriod: 0,
    resubscribe: false,
    ...(isKept ? { properties: { sessionExpiryInterval: keptSeconds } } : {}),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
  };
  const connection = new Connection(mqtt.connect(withPath(url), settings), url, onMessage);
  const abort = (): void => void connection.close(signal.reason as FogbankClientError);
  signal.addEventListener("abort", abort, { once: true });
  try {
    await connection.opened();
  } finally {
    signal.removeEventListener("abort", abort);
  }
  return connection;
}

/** Nodes speak MQTT over WebSocket at /mqtt. Throws `bad-argument`. */
function withPath(url: string): string {
  const address = URL.parse(url);
  if (address === null || !/^(?:mqtt|ws)s?:$/.test(address.protocol))
    throw new FogbankClientError(
      "bad-argument",
      `"${url}" is no address: use mqtt://, mqtts://, ws:// or wss://host:port`,
    );
  if (address.protocol.startsWith("ws") && address.pathname === "/") address.pathname = "/mqtt";
  return address.href;
}

export class Connection {
  readonly #client: MqttClient;
  readonly #url: string;
  readonly #end = new AbortController();
  /** What waits for the node's answer: to be rejected when none will come. */
  readonly #waiting = new Set<(reason: unknown) => void>();
  #failure: Error | undefined;

  constructor(client: MqttClient, url: string, onMessage: (message: Incoming) => void) {
    this.#client = client;
    this.#url = url;
    client.on("error", (error) => (this.#failure = error));
    client.on("disconnect", (packet) => (this.#failure ??= new Error(`the node ended it (${reasonOf(packet)})`)));
    client.on("close", () => this.#over(this.#ending()));
    client.on("message", (topic, payload, packet) =>
      onMessage({ topic, payload, retain: packet.retain, subscriptions: subscriptionsOf(packet) }),
    );
  }

  /** Aborts when the connection is over, with a FogbankClientError as its reason. */
  get ended(): AbortSignal {
    return this.#end.signal;
  }

  opened(): Promise<void> {
    return this.#answer((done) => this.#client.once("connect", () => done(undefined)));
  }

  /** Resolves with the acknowledgement, at QoS 0 when it has left. */
  publish({ topic, payload, qos, retain, expirySeconds }: Outgoing): Promise<void> {
    const options: IClientPublishOptions = {
      qos,
      retain,
      ...(expirySeconds === undefined ? {} : { properties: { messageExpiryInterval: expirySeconds } }),
    };
    // The package writes any Uint8Array; its types only know Node's.
    const bytes = payload as Buffer;
    return this.#answer((done) =>
      this.#client.publish(topic, bytes, options, (error, packet) =>
        done(error ? refusal(`the node does not take a message on "${topic}"`, error, packet) : undefined),
      ),
    );
  }

  subscribe(filter: string, qos: Qos, id: number): Promise<void> {
    const options = { qos, properties: { subscriptionIdentifier: id } };
    return this.#answer((done) =>
      this.#client.subscribe(filter, options, (error, _granted, packet) =>
        done(error ? refusal(`the node refuses the subscription to "${filter}"`, error, packet) : undefined),
      ),
    );
  }

  unsubscribe(filter: string): Promise<void> {
    return this.#answer((done) => this.#client.unsubscribe(filter, () => done(undefined)));
  }

  /** Resolves when it is closed. */
  close(reason: FogbankClientError): Promise<void> {
    this.#over(reason);
    return new Promise((resolve) => this.#client.end(!this.#client.connected, {}, () => resolve()));
  }

  #answer(ask: (done: (error: Error | undefined) => void) => void): Promise<void> {
    if (this.ended.aborted) return Promise.reject(this.ended.reason as FogbankClientError);
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      ask((error) => {
        if (!this.#waiting.delete(reject)) return;
        if (error === undefined) resolve();
        else reject(error);
      });
    });
  }

  #over(reason: FogbankClientError): void {
    if (this.ended.aborted) return;
    this.#end.abort(reason);
    for (const reject of this.#waiting) reject(reason);
    this.#waiting.clear();
    if (reason.code !== "closed") this.#client.end(true);
  }

  #ending(): FogbankClientError {
    const cause = this.#failure;
    if (isUnauthorized(codeOf(cause)))
      return new FogbankClientError("unauthorized", `the node at ${this.#url} does not let this client in`, { cause });
    const why = cause === undefined ? "" : ` (${describe(cause)})`;
    return new FogbankClientError("not-connected", `no connection to a node at ${this.#url}${why}`, { cause });
  }
}

interface Answer {
  readonly reasonCode?: number;
  /** Of the one filter that was asked for. */
  readonly granted?: readonly number[];
  readonly properties?: { readonly reasonString?: string };
}

function refusal(what: string, error: Error, packet: object | undefined): FogbankClientError {
  const { granted, reasonCode = granted?.[0] ?? codeOf(error), properties } = (packet ?? {}) as Answer;
  const why = properties?.reasonString ?? describe(error);
  return new FogbankClientError(isUnauthorized(reasonCode) ? "unauthorized" : "refused", `${what}: ${why}`, {
    cause: error,
  });
}

/** MQTT 5: bad user name or password, not authorized, banned. */
function isUnauthorized(code: number | undefined): boolean {
  return code === 0x86 || code === 0x87 || code === 0x8a;
}

function codeOf(error: Error | undefined): number | undefined {
  return error !== undefined && "code" in error && typeof error.code === "number" ? error.code : undefined;
}

function describe(error: Error): string {
  if (error.message !== "") return error.message;
  return "code" in error ? String(error.code) : "unknown failure";
}

function reasonOf({ reasonCode = 0, properties }: Answer): string {
  return properties?.reasonString ?? `reason code ${reasonCode}`;
}

function subscriptionsOf({ properties }: IPublishPacket): readonly number[] {
  const id = properties?.subscriptionIdentifier;
  return id === undefined ? [] : [id].flat();
}
