// The parent connection over TCP, through the `mqtt` package at protocol level 4. Its own queues, stores and reconnects stay
// off: the link keeps what must be kept, and decides when to dial.
import { connect, type IClientOptions, type MqttClient } from "mqtt";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import type { DialOptions, DialParent, ParentConnection } from "./parent-connection.ts";

/** Dials `host`:`port`. */
export function mqttParent(host: string, port: number): DialParent {
  return async (options, signal) => {
    signal.throwIfAborted();
    const client = connect({ ...clientOptions, host, port, clientId: options.clientId, ...willOption(options) });
    try {
      await ready(client, options, signal);
    } catch (error) {
      client.on("error", () => undefined);
      client.end(true);
      throw error;
    }
    return connection(client, options);
  };
}

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

function connection(client: MqttClient, options: DialOptions): ParentConnection {
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
    async [Symbol.asyncDispose]() {
      closed = true;
      await new Promise<void>((resolve) => client.end(!client.connected, {}, () => resolve()));
    },
  };
}

function describe(error: Error): string {
  const code = "code" in error ? String(error.code) : "";
  return error.message === "" ? code : error.message;
}
