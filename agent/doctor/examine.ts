// All checks of one machine, in the order in which their findings are read. Looks only; what is listened on, dialled or written for a
// moment is gone when its check ends.
import { FogbankError } from "#shared/errors.ts";
import type { Random } from "#shared/system/random.ts";
import type { CliIo } from "../cli/io.ts";
import { type ConfigSources, loadConfig, type LoadedConfig, type NodeConfig } from "../config/config.ts";
import { formatListenAddress, formatMqttAddress } from "../config/listen-address.ts";
import type { UplinkConfig } from "../config/uplink-url.ts";
import { judgeClock, judgeDifference, type ClockDifference } from "./clock.ts";
import { keepsLocalTime, readSynchronisation } from "./clock-facts.ts";
import { checkCredentials } from "./credential-facts.ts";
import { judgeDataDirectory } from "./data-directory.ts";
import { fileLimitIn, judgeDescriptors } from "./descriptors.ts";
import { judgeDisk } from "./disk.ts";
import { readDataDirectory, readDisk } from "./disk-facts.ts";
import { type Finding, unseen } from "./finding.ts";
import { judgeListener, type ListenerFacts } from "./listener.ts";
import { lookAtUnixSocket, tryListening } from "./listener-facts.ts";
import { judgeParent } from "./parent.ts";
import { probeParent } from "./parent-probe.ts";
import { findPortHolder } from "./port-holder.ts";
import { codeOf, textOrNothing } from "./proc-text.ts";
import { findRunningNode, type RunningNodeFacts } from "./running-node.ts";
import { judgeRuntime } from "./runtime.ts";
import { readRuntime } from "./runtime-facts.ts";
import { judgeSyncs, measureSyncs } from "./sync-speed.ts";
import { askTreeClock } from "./tree-clock.ts";

export interface Examination {
  readonly io: CliIo;
  readonly random: Pick<Random, "uuid">;
  /** Tells a person what is being done. */
  readonly show: (text: string) => void;
}

/** The machine as one configuration would use it. */
interface Patient extends Examination {
  readonly config: NodeConfig;
  readonly running: RunningNodeFacts | undefined;
}

/** Rejects with the signal's reason alone; what cannot be found out is a finding. */
export async function examine(
  examination: Examination,
  sources: Pick<ConfigSources, "file" | "flags">,
): Promise<readonly Finding[]> {
  const { io, show } = examination;
  const { loaded, findings } = readConfig({ ...io, ...sources });
  if (loaded === undefined) return [...findings, ...judgeRuntime(readRuntime(false))];
  const { config } = loaded;
  show("looking for a running node");
  const running = await findRunningNode(io.clock, config, io.signal);
  const patient = { ...examination, config, running };
  return [
    ...findings,
    ...judgeRuntime(readRuntime(running !== undefined)),
    checkDescriptors(patient),
    ...(await checkListeners(patient)),
    ...(await checkDisk(patient)),
    ...checkCredentials(config, io.clock.now()),
    ...(await checkParentAndClock(patient)),
  ];
}

interface ReadConfig {
  readonly loaded?: LoadedConfig;
  readonly findings: readonly Finding[];
}

/** One that only opens too much is examined all the same. */
function readConfig(sources: ConfigSources): ReadConfig {
  const check = "config";
  try {
    const loaded = loadConfig(sources);
    return {
      loaded,
      findings: loaded.warnings.map((what) => ({ check, level: "warning", what, todo: remedyOf(what) })),
    };
  } catch (error) {
    if (!(error instanceof FogbankError)) throw error;
    const [what = "", todo = "correct it: fogbank config show --explain says what each setting takes"] =
      error.code === "FOGBANK_LISTEN_INSECURE" ? error.message.split(/(?<=reach [^ ]+): /) : [error.message];
    const finding: Finding = { check, level: "problem", what: `${error.code}: ${what}`, todo };
    if (error.code !== "FOGBANK_LISTEN_INSECURE") return { findings: [finding] };
    const { loaded, findings } = readConfig({ ...sources, flags: { ...sources.flags, insecure: "true" } });
    return { ...(loaded && { loaded }), findings: [finding, ...findings] };
  }
}

function remedyOf(warning: string): string {
  if (warning.startsWith("environment:")) return "correct or remove that variable";
  if (warning.startsWith("not used by this version"))
    return "nothing, if you can do without; else fogbank config import says more";
  if (warning.startsWith("uplink.")) return "let the parent listen on mqtts:// too, and dial that";
  return "say who may connect: fogbank user add, auth.users, auth.anonymous";
}

function checkDescriptors({ config, running }: Patient): Finding {
  const ofNode = running === undefined ? undefined : fileLimitIn(textOrNothing(`/proc/${running.pid}/limits`));
  const limit = ofNode ?? fileLimitIn(textOrNothing("/proc/self/limits"));
  if (limit === undefined) return unseen("open-files", "the limit of open files");
  return judgeDescriptors({ limit, level: config.level, isOfNode: ofNode !== undefined });
}

async function checkListeners({ config: { listen }, running, show, io }: Patient): Promise<readonly Finding[]> {
  show("trying the addresses to listen on");
  const common = {
    privilegedBelow: Number(textOrNothing("/proc/sys/net/ipv4/ip_unprivileged_port_start") ?? 1_024),
    isRoot: process.getuid?.() === 0,
    isNodeRunning: running !== undefined,
  };
  const findings: Finding[] = [];
  const places = [
    ...listen.mqtt.map((at) => ({ ...at, setting: "listen.mqtt" as const, address: formatMqttAddress(at) })),
    ...listen.http.map((at) => ({
      ...at,
      setting: "listen.http" as const,
      address: formatListenAddress(at),
      transport: "tcp",
    })),
  ];
  for (const { setting, address, host, port, transport } of places) {
    const outcome = await outcomeAt(transport, host, port);
    const holder = outcome === "taken" && port !== 0 ? holderOf(host, port, running) : undefined;
    findings.push(judgeListener({ ...common, setting, address, port, outcome, holder }));
    io.signal.throwIfAborted();
  }
  return findings;
}

async function outcomeAt(transport: string, host: string, port: number): Promise<string> {
  if (transport === "unix") return lookAtUnixSocket(host);
  return port === 0 ? "any" : tryListening({ host, port });
}

function holderOf(host: string, port: number, running: RunningNodeFacts | undefined): ListenerFacts["holder"] {
  const found = findPortHolder(host, port);
  return found && { ...found, isOwn: found.pid !== undefined && found.pid === running?.pid };
}

async function checkDisk({ config, running, io, show }: Patient): Promise<readonly Finding[]> {
  show("looking at the disk");
  const directory = readDataDirectory(config, running);
  const findings = [...judgeDataDirectory(directory)];
  const { place, state, isWritable } = directory;
  if (state === "hidden" || state === "file") return findings;
  const disk = readDisk(config, place);
  findings.push(...(disk === undefined ? [unseen("disk", `the file system of ${place}`)] : judgeDisk(disk)));
  if (!isWritable) return [...findings, unseen("sync", `how fast the disk of ${place} is`)];
  try {
    const shown = (done: number, of: number): void => show(`measuring the disk: ${done} of ${of} syncs`);
    const syncsMs = await measureSyncs(io.clock, place, shown, io.signal);
    const isMemory = ["tmpfs", "ramfs"].includes(disk?.mount?.type ?? "");
    findings.push(judgeSyncs({ syncsMs, minCommitMs: config.journal.minCommitMs, isMemory }));
  } catch (error) {
    io.signal.throwIfAborted();
    const todo = `see why: touch ${place}/x, as the node's user`;
    findings.push({
      check: "sync",
      level: "problem",
      what: `nothing can be written in ${place} (${codeOf(error)})`,
      todo,
    });
  }
  return findings;
}

async function checkParentAndClock({ config, running, io, random, show }: Patient): Promise<readonly Finding[]> {
  const { uplink } = config;
  const newId = (): string => random.uuid().replaceAll("-", "");
  const clock = judgeClock({
    nowMs: io.clock.now(),
    isRoot: uplink === undefined,
    needsTls: uplink?.isTls === true,
    synchronisation: readSynchronisation(),
    keepsLocalTime: keepsLocalTime(),
  });
  if (!hasUplink(config)) return clock;
  show(`dialling ${config.uplink.host}`);
  const { facts, difference } = await probeParent(io.clock, config, running, newId(), io.signal);
  const told: ClockDifference | undefined =
    difference ?? (running?.status && (await askTreeClock(io, config, running.status, newId())));
  return [...judgeParent(facts), ...clock, ...(told === undefined ? [] : [judgeDifference(told)])];
}

function hasUplink(config: NodeConfig): config is NodeConfig & { readonly uplink: UplinkConfig } {
  return config.uplink !== undefined;
}
