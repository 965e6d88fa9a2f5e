// The parent connection over TCP or TLS, through the `mqtt` package at protocol level 4. Its own queues, stores and reconnects stay
// off: the link keeps what must be kept, and decides when to dial.
import { readFile } from "node:fs/promises";
import type { IClientOptions, MqttClient } from "mqtt";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { UplinkConfig } from "../config/uplink-url.ts";
import { loadMqtt } from "../system/mqtt-library.ts";
import type { DialOptions, DialParent, ParentConnection } from "./parent-connection.ts";

/** Dials `uplink`, with what its files say at that moment. A connection that is disposed has a moment to send what is written; a parent that does not read cannot hold it open. */
export function mqttParent(clock: Clock, uplink: UplinkConfig): DialParent {
  return async (options, signal) => {
    signal.throwIfAborted();
    const credentials = await uplinkCredentials(uplink);
    signal.throwIfAborted();
    const connect = await loadMqtt();
    signal.throwIfAborted();
    const client = connect({
      ...clientOptions,
      host: uplink.host,
      port: uplink.port,
      ...credentials,
      clientId: options.clientId,
      username: options.username,
      ...willOption(options),
    });
    try {
      client.once("connect", () => withoutDelay(client));
      await ready(client, options, signal);
    } catch (error) {
      client.on("error", () => undefined);
      client.end(true);
      throw error;
    }
    return connection(clock, client, options);
  };
}

/** CONNACK return codes of MQTT 3.1.1, section 3.2.2.3. */
const serverUnavailable = 3;
const badCredentials = 4;
const notAuthorized = 5;

/** What is already written may still leave for this long. */
const flushMs = 500;

const clientOptions: IClientOptions = {
  protocol: "mqtt",
  protocolVersion: 4,
  clean: true,
  keepalive: limits.keepaliveSeconds,
  connectTimeout: limits.connectTimeoutMs,
  reconnectPeriod: 0,
  queueQoSZero: false,
  resubscribe: false,
};

/** What this node shows its parent, and whom it believes. Rejects with FOGBANK_NOT_CONNECTED when a file cannot be read. */
export async function uplinkCredentials({ isTls, secretFile, ca, cert, key }: UplinkConfig): Promise<IClientOptions> {
  const secret = secretFile === undefined ? undefined : await textOf("uplink.secret-file", secretFile);
  return {
    ...(secret !== undefined && { password: secret.replace(/\r?\n.*/s, "") }),
    ...(isTls && { protocol: "mqtts", rejectUnauthorized: true }),
    ...(ca !== undefined && { ca: await textOf("uplink.ca", ca) }),
    ...(cert !== undefined && { cert: await textOf("uplink.cert", cert) }),
    ...(key !== undefined && { key: await textOf("uplink.key", key) }),
  };
}

async function textOf(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FogbankError(
      "FOGBANK_NOT_CONNECTED",
      `cannot read ${setting} ${path}: ${reason}: name a file that this user may read`,
      { cause },
    );
  }
}

function willOption({ will }: DialOptions): Pick<IClientOptions, "will"> {
  if (will === undefined) return {};
  return { will: { topic: will.topic, payload: Buffer.from(will.payload), qos: 0, retain: false } };
}

async function ready(client: MqttClient, options: DialOptions, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (reason: string): void => reject(new FogbankError("FOGBANK_NOT_CONNECTED", reason));
  const abort = (): void => fail("the attempt was given up");
  let lastError = "the connection closed";
  const onError = (error: Error): void => {
    lastError = describe(error);
    fail(lastError);
  };
  const onClose = (): void => fail(lastError);
  signal.addEventListener("abort", abort, { once: true });
  client.on("error", onError).on("close", onClose);
  client.once("connect", () => {
    if (options.subscribe === undefined) resolve();
    else {
      client.subscribe(options.subscribe, { qos: 0 }, (error, granted) => {
        if (error) onError(error);
        else if (granted?.some(({ qos }) => qos > 2) === true) fail("the parent does not let this node subscribe");
        else resolve();
      });
    }
  });
  try {
    await promise;
  } finally {
    signal.removeEventListener("abort", abort);
    client.off("error", onError).off("close", onClose);
  }
}

function connection(clock: Clock, client: MqttClient, options: DialOptions): ParentConnection {
  let closed = false;
  let reason = "the parent closed the connection";
  client.on("error", (error) => {
    reason = describe(error);
  });
  client.on("message", (topic, payload) => options.onMessage(topic, payload));
  client.on("close", () => {
    if (closed) return;
    closed = true;
    options.onClosed(reason);
  });
  // The close may have come between the dial and here.
  if (!client.connected) queueMicrotask(() => client.emit("close"));
  return {
    send(topic, payload) {
      if (!closed)
        client.publish(topic, Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength), { qos: 0 });
    },
    drop() {
      closed = true;
      client.stream.destroy();
      client.end(true);
    },
    async [Symbol.asyncDispose]() {
      closed = true;
      const flushed = new AbortController();
      const ended = new Promise<void>((resolve) => client.end(!client.connected, {}, () => resolve()));
      void ended.then(() => flushed.abort());
      await clock.sleep(flushMs, flushed.signal).catch(() => undefined);
      if (!flushed.signal.aborted) client.stream.destroy();
    },
  };
}

/** A small frame must not wait for the acknowledgement of the one before it: together with delayed acknowledgements that costs 40 ms. */
function withoutDelay({ stream }: MqttClient): void {
  if ("setNoDelay" in stream && typeof stream.setNoDelay === "function") stream.setNoDelay(true);
}

function describe(error: Error): string {
  const code = "code" in error ? error.code : undefined;
  if (code === notAuthorized) return `${error.message}: another node of this name may be connected there`;
  if (code === badCredentials) {
    return `${error.message}: the parent asks for proof of this node's name: uplink.secret-file, or uplink.cert and uplink.key`;
  }
  if (code === serverUnavailable)
    return `${error.message}: the parent is busy, or too many log-ins from here have failed`;
  return error.message === "" ? String(code) : error.message;
}
