// `fogbank pub`: publishes and waits for the acknowledgement, which on a captured topic means that the node has stored it.
import { readFile } from "node:fs/promises";
import { Command, InvalidArgumentError, Option } from "commander";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import { isTopicName } from "#shared/mqtt/topic.ts";
import type { Message, Qos } from "#shared/system/bus.ts";
import { within } from "../client/deadline.ts";
import { connectMqttClient, type MqttClient } from "../client/mqtt-client.ts";
import { CommandFailure, runAction } from "./action.ts";
import { type MqttTarget, mqttOption } from "./addresses.ts";
import type { CliIo } from "./io.ts";
import { linesOf } from "./lines.ts";
import { qosOption } from "./qos-option.ts";

interface PubOptions {
  readonly topic: string;
  readonly message?: string;
  readonly file?: string;
  readonly stdinLines?: true;
  readonly empty?: true;
  readonly qos: Qos;
  readonly retain?: true;
  readonly mqtt: MqttTarget;
  readonly clientId?: string;
  readonly timeout: number;
}

/** Publishes that may wait for their acknowledgement at a time. */
const outstandingMax = 100;
/** What the packet needs beside topic and payload. */
const packetHeadBytes = 16;

/** Ends with commander's CommanderError: exit code 1 when not acknowledged, 2 for usage, 3 when not connected. */
export function pubCommand(io: CliIo): Command {
  return new Command("pub")
    .description("publish a message, and wait until the node has acknowledged it")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .requiredOption("-t, --topic <topic>", "topic to publish on")
    .option("-m, --message <text>", "payload as text")
    .option("-f, --file <file>", "payload from a file, byte by byte")
    .option("--stdin-lines", "publish each line of stdin")
    .option("-n, --empty", "empty payload; with --retain it clears what is retained")
    .addOption(qosOption())
    .option("--retain", "ask the node to keep it for later subscribers")
    .addOption(mqttOption())
    .option("-i, --client-id <id>", "MQTT client identifier")
    .addOption(
      new Option("--timeout <seconds>", "how long to wait for an acknowledgement").default(10).argParser(parseSeconds),
    )
    .action((options: PubOptions, command: Command) => runAction(command, io, () => publish(io, options)));
}

async function publish(io: CliIo, options: PubOptions): Promise<void> {
  checkUsage(options);
  const payload = options.stdinLines ? undefined : await payloadOf(options, io.signal);
  await using client = await connectMqttClient(io.clock, { ...options.mqtt, clientId: options.clientId }, io.signal);
  if (payload !== undefined) await publishOne(io, options, client, payload, `the message on ${options.topic}`);
  else await publishLines(io, options, client);
}

function checkUsage({ topic, message, file, stdinLines, empty }: PubOptions): void {
  if (!isTopicName(topic)) {
    throw new FogbankError(
      "FOGBANK_TOPIC_INVALID",
      `cannot publish on "${topic}": a topic has no + or #, at most ${limits.topicBytes} bytes and ${limits.topicLevels} levels`,
    );
  }
  if ([message, file, stdinLines, empty].filter((given) => given !== undefined).length === 1) return;
  throw new FogbankError("FOGBANK_USAGE", "give the payload in exactly one way: -m TEXT, -f FILE, --stdin-lines or -n");
}

async function payloadOf({ topic, message, file }: PubOptions, signal: AbortSignal): Promise<Uint8Array> {
  const payload = file === undefined ? new TextEncoder().encode(message ?? "") : await readPayload(file, signal);
  const bytesMax = payloadBytesMax(topic);
  if (payload.length <= bytesMax) return payload;
  throw new FogbankError(
    "FOGBANK_PAYLOAD_TOO_LARGE",
    `cannot publish ${payload.length} bytes on ${topic}: a packet carries ${bytesMax} of payload there`,
  );
}

async function readPayload(file: string, signal: AbortSignal): Promise<Uint8Array> {
  try {
    return await readFile(file, { signal });
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "unknown failure";
    throw new FogbankError("FOGBANK_USAGE", `cannot read the payload from ${file}: ${reason}`, { cause });
  }
}

function payloadBytesMax(topic: string): number {
  return limits.packetBytes - Buffer.byteLength(topic) - packetHeadBytes;
}

async function publishOne(
  io: CliIo,
  { topic, qos, retain, timeout }: PubOptions,
  client: MqttClient,
  payload: Uint8Array,
  subject: string,
): Promise<void> {
  const message: Message = { topic, payload, qos, retain: retain === true };
  const late = (): CommandFailure => notAcknowledged(subject, `no answer within ${timeout} s`);
  try {
    await within(io.clock, timeout * 1000, client.publish(message), late);
  } catch (cause) {
    if (io.signal.aborted || !(cause instanceof FogbankError)) throw cause;
    throw notAcknowledged(
      subject,
      `${cause.message}; the node refuses what clients may not publish, what is too large, and all while its store is full`,
      cause,
    );
  }
}

function notAcknowledged(subject: string, reason: string, cause?: unknown): CommandFailure {
  return new CommandFailure(
    "FOGBANK_NOT_ACKNOWLEDGED",
    `${subject} was not acknowledged, so it may or may not be stored: ${reason}`,
    { cause },
  );
}

/** Pipelined, in order. The first failure ends it; the count on stderr is of those acknowledged. */
async function publishLines(io: CliIo, options: PubOptions, client: MqttClient): Promise<void> {
  const failed = new AbortController();
  const reading = AbortSignal.any([io.signal, client.ended, failed.signal]);
  const room = new Room(outstandingMax);
  let acknowledged = 0;
  let read = 0;
  const send = async (line: Uint8Array, number: number): Promise<void> => {
    try {
      await publishOne(io, options, client, line, `line ${number} for ${options.topic}`);
      acknowledged++;
    } catch (error) {
      failed.abort(error);
    } finally {
      room.leave();
    }
  };
  try {
    for await (const line of linesOf(io.stdin, payloadBytesMax(options.topic), reading)) {
      await room.enter();
      reading.throwIfAborted();
      void send(line, ++read);
    }
    await room.empty();
    failed.signal.throwIfAborted();
  } catch (error) {
    // The connection's end is heard before what it did to the messages under way.
    await room.empty();
    throw failed.signal.aborted ? failed.signal.reason : error;
  } finally {
    io.stderr(
      `${acknowledged} ${acknowledged === 1 ? "line" : "lines"} ${options.qos === 0 ? "sent" : "acknowledged"}\n`,
    );
  }
}

/** At most so many at a time; the one that feeds it waits. */
class Room {
  readonly #max: number;
  #inside = 0;
  #left = Promise.withResolvers<void>();

  constructor(max: number) {
    this.#max = max;
  }

  async enter(): Promise<void> {
    await this.#until(this.#max - 1);
    this.#inside++;
  }

  leave(): void {
    this.#inside--;
    this.#left.resolve();
  }

  empty(): Promise<void> {
    return this.#until(0);
  }

  async #until(inside: number): Promise<void> {
    while (this.#inside > inside) {
      this.#left = Promise.withResolvers();
      await this.#left.promise;
    }
  }
}

function parseSeconds(text: string): number {
  const seconds = Number(text);
  if (/^\d{1,5}(\.\d{1,3})?$/.test(text) && seconds > 0) return seconds;
  throw new InvalidArgumentError("Expected seconds, more than 0.");
}
