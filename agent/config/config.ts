// The configuration of a node: defaults < file < environment < flags, checked once, then plain data.
import * as v from "valibot";
import { FogbankError } from "#shared/errors.ts";
import { isNodeName, type Level, type NodeName, parseNodeName } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import { parseConfig } from "#shared/libconfig/libconfig.ts";
import { fromPlain, type PlainValue, toPlain } from "#shared/libconfig/setting.ts";
import { valuesOfEnvironment, valuesOfFlags } from "./environment.ts";
import type { ConfigEntry } from "./explain.ts";
import { valuesOfFile } from "./file.ts";
import type { AnonymousMode } from "../auth/authorizer.ts";
import type { ListenAddress } from "../net/listen-spec.ts";
import type { TlsFiles } from "../net/tls-credentials.ts";
import type { HostPort } from "./listen-address.ts";
import { exposureWarnings, refuseConflicts, refuseOpenListeners } from "./exposure.ts";
import { formatOrigin, type Sourced } from "./origin.ts";
import { isOriginal, type OriginalConfig, type UnusedSetting, valuesOfOriginal } from "./original.ts";
import type { StreamConfig } from "./stream-schema.ts";
import { type ConfigKey, configKeys, configSchema, helpOf } from "./schema.ts";
import { maskPasswords, type UplinkConfig } from "./uplink-url.ts";
import { valueError } from "./value-error.ts";

export interface NodeConfig {
  readonly name: NodeName;
  readonly level: Level;
  readonly zone?: string;
  readonly tags: readonly string[];
  /** Degrees. */
  readonly lat?: number;
  readonly lon?: number;
  readonly class?: string;
  /** Texts of named conditions, by name. */
  readonly cond: Readonly<Record<string, string>>;
  /** Time over which `data(path)` takes averages. */
  readonly dataWindowMs: number;
  readonly dataDir: string;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent";
  readonly listen: { readonly mqtt: readonly ListenAddress[]; readonly http: readonly HostPort[] };
  /** Without it the node is a root. */
  readonly uplink?: UplinkConfig;
  /** There is one when a listener needs it. */
  readonly tls?: TlsFiles;
  readonly auth: { readonly users?: string; readonly anonymous: AnonymousMode };
  /** Whether other machines may reach the listeners without TLS. */
  readonly insecure: boolean;
  readonly streams: readonly StreamConfig[];
  readonly sources: {
    readonly host: { readonly enabled: boolean; readonly intervalMs: number; readonly record?: string };
  };
  /** Executable files that calls run; without `directory` there are none. */
  readonly functions: { readonly directory?: string; readonly maxSeconds: number; readonly atOnce: number };
  /** Without it the documents of a root are in its data directory. */
  readonly documents?: DocumentsConfig;
  /** `minCommitMs`: least time from one commit to the next. */
  readonly journal: { readonly maxBytes?: number; readonly minCommitMs: number };
}

/** The MongoDB of a root. Files are paths. */
export interface DocumentsConfig {
  readonly url: string;
  readonly database: string;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly ca?: string;
  readonly certificateKey?: string;
}

/** Everything that configuration comes from. */
export interface ConfigSources {
  /** Path of the configuration file; without it there is none. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** From the path of a key to its text: `{ "listen.mqtt": "127.0.0.1:1884" }`. */
  readonly flags: Readonly<Record<string, string>>;
  /** Text of a file; throws when it cannot be read. */
  readonly readFile: (path: string) => string;
  readonly hostname: string;
}

export interface LoadedConfig {
  readonly config: NodeConfig;
  /** Every setting, in the order of the schema. */
  readonly entries: readonly ConfigEntry[];
  /** Sentences for the operator; the configuration holds all the same. */
  readonly warnings: readonly string[];
  /** Settings of the file from which nothing follows: there are some only if it is a `utopiad.conf`. */
  readonly unused: readonly UnusedSetting[];
  /** Whether it is one. */
  readonly isOriginal: boolean;
}

/** Throws FOGBANK_CONFIG_SYNTAX, FOGBANK_CONFIG_INVALID or FOGBANK_LISTEN_INSECURE. */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const environment = valuesOfEnvironment(sources.env);
  const file = readConfigFile(sources);
  const values = new Map<ConfigKey, Sourced>([
    ...valuesOfDefaults(sources.hostname),
    ...file.values,
    ...environment.values,
    ...valuesOfFlags(sources.flags),
  ]);
  const level = values.get("level")?.value;
  if (!values.has("sources.host.enabled")) {
    values.set("sources.host.enabled", defaultValue(level?.type === "string" && level.value === "device"));
  }
  const plain = Object.fromEntries([...values].map(([key, { value }]) => [key, toPlain(value)]));
  const result = v.safeParse(configSchema, plain);
  if (!result.success) throw valueError(values, result.issues);
  const config = toNodeConfig(result.output);
  refuseConflicts(values);
  refuseOpenListeners(config, values);
  return {
    config,
    entries: configKeys.map((key) => entryOf(key, values.get(key))),
    warnings: [...environment.warnings, ...unusedWarnings(file.unused), ...exposureWarnings(config)],
    unused: file.unused,
    isOriginal: file.isOriginal,
  };
}

/** A tenth of a second gathers what a device measures into few commits, and is short for whoever waits for one. */
const commitMsByProfile = { normal: 0, flash: 100 } as const;

function toNodeConfig(output: v.InferOutput<typeof configSchema>): NodeConfig {
  const {
    zone,
    lat,
    lon,
    class: kind,
    "auth.users": users,
    "functions-dir": directory,
    "sources.host.record": record,
    "journal.max-bytes": maxBytes,
  } = output;
  const uplink = uplinkOf(output);
  const tls = tlsOf(output);
  const documents = documentsOf(output);
  return {
    name: output.name,
    level: output.level,
    ...(zone === undefined ? {} : { zone }),
    tags: output.tags,
    ...(lat === undefined ? {} : { lat }),
    ...(lon === undefined ? {} : { lon }),
    ...(kind === undefined ? {} : { class: kind }),
    cond: output.cond,
    dataWindowMs: output["data.window-ms"],
    dataDir: output["data-dir"],
    logLevel: output["log-level"],
    listen: { mqtt: output["listen.mqtt"], http: output["listen.http"] },
    ...(uplink === undefined ? {} : { uplink }),
    ...(tls === undefined ? {} : { tls }),
    auth: { ...(users === undefined ? {} : { users }), anonymous: output["auth.anonymous"] },
    insecure: output.insecure,
    streams: output.streams,
    sources: {
      host: {
        enabled: output["sources.host.enabled"] ?? false,
        intervalMs: output["sources.host.interval-ms"],
        ...(record === undefined ? {} : { record }),
      },
    },
    functions: {
      ...(directory === undefined ? {} : { directory }),
      maxSeconds: output["functions.max-seconds"],
      atOnce: output["functions.at-once"],
    },
    ...(documents === undefined ? {} : { documents }),
    journal: {
      ...(maxBytes === undefined ? {} : { maxBytes }),
      minCommitMs: output["journal.min-commit-ms"] ?? commitMsByProfile[output["journal.profile"]],
    },
  };
}

function uplinkOf(output: v.InferOutput<typeof configSchema>): UplinkConfig | undefined {
  const { "uplink.url": address, "uplink.secret-file": secretFile } = output;
  if (address === undefined) return undefined;
  const { "uplink.ca": ca, "uplink.cert": cert, "uplink.key": key } = output;
  return {
    ...address,
    ...(secretFile && { secretFile }),
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
  };
}

function tlsOf(output: v.InferOutput<typeof configSchema>): TlsFiles | undefined {
  const { "tls.cert": cert, "tls.key": key, "tls.ca": ca } = output;
  if (cert === undefined || key === undefined) return undefined;
  return { cert, key, ...(ca && { ca }), requireClientCertificate: output["tls.require-client-certificate"] };
}

function documentsOf(output: v.InferOutput<typeof configSchema>): DocumentsConfig | undefined {
  const { "documents.url": url, "documents.database": database, "documents.user": user } = output;
  if (url === undefined) return undefined;
  const { "documents.password-file": passwordFile, "documents.ca": ca } = output;
  const { "documents.certificate-key": certificateKey } = output;
  return {
    url,
    database,
    ...(user && { user }),
    ...(passwordFile && { passwordFile }),
    ...(ca && { ca }),
    ...(certificateKey && { certificateKey }),
  };
}

function valuesOfDefaults(hostname: string): ReadonlyMap<ConfigKey, Sourced> {
  const values = new Map<ConfigKey, Sourced>([["name", defaultValue(nameFrom(hostname))]]);
  for (const key of configKeys) {
    const plain: PlainValue | undefined = v.getDefault(configSchema.entries[key]);
    if (plain !== undefined) values.set(key, defaultValue(plain));
  }
  return values;
}

function defaultValue(plain: PlainValue): Sourced {
  return { value: fromPlain(plain, { file: "default", line: 1, column: 1 }), origin: { type: "default" } };
}

/** The host name, made fit for a node. */
function nameFrom(hostname: string): NodeName {
  const name = hostname
    .replace(/[^A-Za-z0-9._-]+/g, "-")
    .replace(/^\.+/, "")
    .slice(0, limits.nodeNameChars);
  return isNodeName(name) ? name : parseNodeName("node");
}

function unusedWarnings(unused: readonly UnusedSetting[]): readonly string[] {
  const names = unused.map(({ name }) => name).join(", ");
  return names === "" ? [] : [`not used by this version: ${names}; \`fogbank config import\` says why`];
}

interface ReadConfig extends OriginalConfig {
  readonly isOriginal: boolean;
}

function readConfigFile({ file, readFile }: ConfigSources): ReadConfig {
  if (file === undefined) return { values: new Map(), unused: [], isOriginal: false };
  let text: string;
  try {
    text = readFile(file);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "an unknown failure";
    throw new FogbankError("FOGBANK_CONFIG_INVALID", `cannot read the configuration file ${file}: ${reason}`, {
      cause,
    });
  }
  const settings = parseConfig(text, file, readFile);
  if (isOriginal(settings)) return { ...valuesOfOriginal(settings), isOriginal: true };
  return { values: valuesOfFile(settings), unused: [], isOriginal: false };
}

function entryOf(key: ConfigKey, sourced: Sourced | undefined): ConfigEntry {
  const help = helpOf(key);
  if (sourced === undefined) return { key, value: undefined, origin: "default", help };
  const plain = toPlain(sourced.value);
  const isUrl = key === "uplink.url" || key === "documents.url";
  const value = isUrl && typeof plain === "string" ? maskPasswords(plain) : plain;
  return { key, value, origin: formatOrigin(key, sourced), help };
}
