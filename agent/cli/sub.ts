// `fogbank sub`: prints messages as they come. After a lost connection it connects again and says so; what was published in
// between is missed, because the session ends with the connection.
import { Command, InvalidArgumentError, Option } from "commander";
import { FogbankError } from "#shared/errors.ts";
import { isTopicFilter } from "#shared/mqtt/topic.ts";
import type { Message, Qos } from "#shared/system/bus.ts";
import { connectMqttClient, type MqttClient } from "../client/mqtt-client.ts";
import { CommandFailure, runAction } from "./action.ts";
import { type MqttTarget, mqttOption } from "./addresses.ts";
import type { CliIo } from "./io.ts";
import { qosOption } from "./qos-option.ts";
import { printable } from "./text-style.ts";

interface SubOptions {
  readonly topic: readonly string[];
  readonly qos: Qos;
  readonly mqtt: MqttTarget;
  readonly count?: number;
  readonly json?: true;
  readonly verbose?: true;
}

/** Waits before each attempt to connect again, the last one from then on. */
const waitsMs = [500, 1_000, 2_000, 5_000] as const;

/** Ends with commander's CommanderError: exit code 1 when a filter is refused, 2 for usage, 3 when not connected at the start. */
export function subCommand(io: CliIo): Command {
  return new Command("sub")
    .description("print the messages that arrive on topics")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .requiredOption("-t, --topic <filter>", "topic filter; may be repeated", addFilter)
    .addOption(qosOption())
    .addOption(mqttOption())
    .addOption(new Option("--count <n>", "end after that many messages").argParser(parseCount))
    .option("--json", "print one JSON object per message, with binary payloads in base64")
    .option("-v, --verbose", "print the topic before the payload")
    .action((options: SubOptions, command: Command) => runAction(command, io, () => subscribe(io, options)));
}

async function subscribe(io: CliIo, options: SubOptions): Promise<void> {
  for (const filter of options.topic) {
    if (!isTopicFilter(filter)) {
      throw new FogbankError(
        "FOGBANK_TOPIC_INVALID",
        `"${filter}" is no topic filter: + stands for a whole level, # for all levels at the end`,
      );
    }
  }
  const printer = createPrinter(io, options);
  const open = async (): Promise<MqttClient> => {
    const client = await connectMqttClient(io.clock, { ...options.mqtt, onMessage: printer.print }, io.signal);
    try {
      await subscribeOrFail(client, options);
      return client;
    } catch (error) {
      await client[Symbol.asyncDispose]();
      throw error;
    }
  };
  for (let next = await open(); ; next = await openAgain(io, open)) {
    await using client = next;
    const lost = await Promise.race([printer.done, reasonOfEnd(client.ended)]);
    if (lost === undefined) return;
    io.signal.throwIfAborted();
    io.stderr(`notice: ${lost.message}: connecting again; what is published until then is missed\n`);
  }
}

interface Printer {
  readonly print: (message: Message) => void;
  /** Resolves when the last message is printed; rejects when stdout fails. */
  readonly done: Promise<undefined>;
}

function createPrinter(io: CliIo, options: SubOptions): Printer {
  const done = Promise.withResolvers<undefined>();
  done.promise.catch(() => undefined); // it may fail while the connection is being opened
  let left = options.count ?? Infinity;
  const print = (message: Message): void => {
    if (left === 0) return;
    left--;
    try {
      io.stdout(`${formatMessage(message, options, io)}\n`);
    } catch (error) {
      left = 0;
      done.reject(error);
    }
    if (left === 0) done.resolve(undefined);
  };
  return { print, done: done.promise };
}

async function subscribeOrFail(client: MqttClient, { topic, qos }: SubOptions): Promise<void> {
  const [refused] = await client.subscribe(topic, qos);
  if (refused === undefined) return;
  throw new CommandFailure(
    "FOGBANK_SUBSCRIPTION_REFUSED",
    `the node does not let this client subscribe to "${refused}"`,
  );
}

async function openAgain(io: CliIo, open: () => Promise<MqttClient>): Promise<MqttClient> {
  for (let attempt = 0; ; attempt++) {
    await io.clock.sleep(waitsMs[attempt] ?? waitsMs[3], io.signal);
    try {
      const client = await open();
      io.stderr("notice: connected again\n");
      return client;
    } catch (error) {
      if (!(error instanceof FogbankError) || error.code !== "FOGBANK_NOT_CONNECTED") throw error;
    }
  }
}

/** Why the connection is over, as soon as it is. */
async function reasonOfEnd(ended: AbortSignal): Promise<Error> {
  if (!ended.aborted) {
    await new Promise<void>((resolve) => ended.addEventListener("abort", () => resolve(), { once: true }));
  }
  return ended.reason instanceof Error ? ended.reason : new Error(String(ended.reason));
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lenientUtf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function formatMessage(message: Message, { json, verbose }: SubOptions, { clock, isTerminal }: CliIo): string {
  const { topic, qos, retain, payload } = message;
  if (json) {
    return JSON.stringify({ time: new Date(clock.now()).toISOString(), topic, qos, retain, ...jsonPayload(payload) });
  }
  const text = lenientUtf8.decode(payload);
  const line = verbose ? `${topic} ${text}` : text;
  // A message must not be able to steer somebody's terminal.
  return isTerminal ? printable(line, "\n\t") : line;
}

function jsonPayload(payload: Uint8Array): { readonly payload: string } | { readonly payloadBase64: string } {
  try {
    return { payload: utf8.decode(payload) };
  } catch {
    return { payloadBase64: Buffer.from(payload).toString("base64") };
  }
}

function addFilter(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text];
}

function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d{1,15}$/.test(text) && count > 0) return count;
  throw new InvalidArgumentError("Expected a whole number from 1.");
}
