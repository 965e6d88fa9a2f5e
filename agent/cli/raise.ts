// `fogbank raise`: raises an event, and waits until the node has it: at QoS 1 on its disk.
import { Argument, Command, Option } from "commander";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import { drawCallId } from "#shared/machine/call-id.ts";
import { isFunctionName } from "#shared/machine/envelope.ts";
import type { Random } from "#shared/system/random.ts";
import { eventTopic } from "#shared/topics.ts";
import { within } from "../client/deadline.ts";
import { connectMqttClient } from "../client/mqtt-client.ts";
import { CommandFailure, runAction } from "./action.ts";
import { type MqttTarget, mqttOption } from "./addresses.ts";
import { isEmptyCondition } from "./call-condition.ts";
import type { CliIo } from "./io.ts";
import { parseJsonArgument } from "./json-argument.ts";
import { parseSeconds } from "./parse-seconds.ts";
import { printable } from "./text-style.ts";

interface RaiseOptions {
  readonly if?: string;
  /** Seconds. */
  readonly ttl: number;
  readonly qos: "0" | "1";
  readonly scope?: "subtree" | "machine";
  readonly mqtt: MqttTarget;
}

/** How long the node may take to say that it has the event. */
const acknowledgedMsMax = 10_000;

/** Ends with commander's CommanderError: exit code 1 when it is not acknowledged, 2 for usage, 3 when not connected. */
export function raiseCommand(io: CliIo, random: Random): Command {
  return new Command("raise")
    .description("raise an event, which every program hears that listens to it on a node where the condition holds")
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .addArgument(
      new Argument("<kind>", "external: from the world outside; internal: from the machine's own parts").choices([
        "internal",
        "external",
      ]),
    )
    .argument("<name>", "the event, such as door-open")
    .argument("[args-json]", "what is told with it, as JSON")
    .option("--if <condition>", "only where the condition holds, such as \"level == 'device'\"")
    .addOption(
      new Option("--ttl <seconds>", "how long it is kept for nodes that are away")
        .default(limits.callTtlMs / 1000)
        .argParser(parseSeconds),
    )
    .addOption(
      new Option("-q, --qos <qos>", "1: on disk before it is acknowledged; 0: who is connected now")
        .choices(["0", "1"])
        .default("1"),
    )
    .addOption(
      new Option("--scope <scope>", "subtree: from the node down; machine: the whole tree").choices([
        "subtree",
        "machine",
      ]),
    )
    .addOption(mqttOption())
    .action(
      (
        kind: "internal" | "external",
        name: string,
        args: string | undefined,
        options: RaiseOptions,
        command: Command,
      ) =>
        runAction(command, io, async () => {
          const body = bodyOf(name, args, options);
          await raise(io, options, eventTopic(kind, name), { id: drawCallId(random), ...body });
        }),
    );
}

function bodyOf(
  name: string,
  text: string | undefined,
  { if: condition, ttl, scope }: RaiseOptions,
): Readonly<Record<string, unknown>> {
  if (!isFunctionName(name)) {
    throw new FogbankError(
      "FOGBANK_USAGE",
      `"${printable(name.slice(0, 80))}" cannot be an event's name: use at most ${limits.functionNameChars} letters, digits, ".", "_" or "-"`,
    );
  }
  // MQTT 3.1.1 has no way to say what is wrong with it.
  if (condition !== undefined) isEmptyCondition(condition);
  const args = text === undefined ? undefined : parseJsonArgument(text, "what is told with the event");
  return { args, if: condition, ttl, scope };
}

async function raise(
  { clock, signal }: Pick<CliIo, "clock" | "signal">,
  { mqtt, qos }: RaiseOptions,
  topic: string,
  body: Readonly<Record<string, unknown>>,
): Promise<void> {
  await using client = await connectMqttClient(clock, mqtt, signal);
  const payload = new TextEncoder().encode(JSON.stringify(body));
  const sent = client.publish({ topic, payload, qos: qos === "1" ? 1 : 0, retain: false });
  const unknown = (reason: string, cause?: unknown): CommandFailure =>
    new CommandFailure(
      "FOGBANK_NOT_ACKNOWLEDGED",
      `the event on ${topic} was not acknowledged, so it may or may not have been raised: ${reason}`,
      { cause },
    );
  try {
    await within(clock, acknowledgedMsMax, sent, () => unknown(`no answer within ${acknowledgedMsMax / 1000} s`));
  } catch (cause) {
    if (signal.aborted || !(cause instanceof FogbankError)) throw cause;
    throw unknown(
      `${cause.message}; the node refuses what clients may not publish, and all while its store is full`,
      cause,
    );
  }
}
