// The settings of `utopiad.conf`, the configuration file of the Utopia document [U16]: what each may be, what it means, and what it is here.
import type { PlainValue, Value } from "#shared/libconfig/setting.ts";
import type { ConfigKey } from "./schema.ts";

/** Accepted forms: text (quoted or a bare word), yes or no, a port, a level from 0 to 10, a list. */
export type OriginalForm = "text" | "switch" | "port" | "log level" | "list";

export interface OriginalKey {
  readonly form: OriginalForm;
  readonly meaning: string;
  /** What it sets here, if there is such a setting. */
  readonly sets?: { readonly key: ConfigKey; readonly valueOf: (plain: PlainValue) => PlainValue };
  /** Why nothing follows from it, or what to do instead. Only without `sets`. */
  readonly unused?: string;
}

const asItIs = (plain: PlainValue): PlainValue => plain;
const sameAs = (key: ConfigKey) => ({ key, valueOf: asItIs });

/** 0 is errors alone, and each level adds to the one below; ours are four. */
function logLevelOf(plain: PlainValue): PlainValue {
  const level = typeof plain === "number" ? plain : 0;
  if (level === 0) return "error";
  if (level <= 2) return "warn";
  return level <= 6 ? "info" : "debug";
}

const noBridge = "there is no server bridge and no client bridge yet";
const noZookeeper = "there is no ZooKeeper yet: this node coordinates itself";
const noRest = "there is no REST service of that kind yet";
const noMongo = "documents are kept in the embedded database";
const logsToStderr = "the log is written to standard error: whatever runs the service keeps it";

/** In the order in which they are told. */
export const originalKeys: ReadonlyMap<string, OriginalKey> = new Map<string, OriginalKey>([
  ["user", { form: "text", meaning: "user to run under", unused: "whatever starts the service chooses the user" }],
  ["group", { form: "text", meaning: "group to run under", unused: "whatever starts the service chooses the group" }],
  ["hostname", { form: "text", meaning: "host name; without it the system's", sets: sameAs("name") }],
  ["keydir", { form: "text", meaning: "folder of the keys for bridge and ZooKeeper", unused: noBridge }],
  ["rest-root", { form: "text", meaning: "document root of the REST service", unused: noRest }],
  ["rest-auth", { form: "switch", meaning: "whether the REST service asks who one is", unused: noRest }],
  ["rest-acl", { form: "text", meaning: "access list of the REST service", unused: noRest }],
  ["mqtt-server-list", { form: "list", meaning: "MQTT servers of the client bridge", unused: noBridge }],
  ["mqtt-management-port", { form: "port", meaning: "port of the server bridge", unused: noBridge }],
  ["mqtt-management-servers", { form: "list", meaning: "MQTT servers of the server bridge", unused: noBridge }],
  ["mqtt-keyname", { form: "text", meaning: "name of the bridge's key pair in keydir", unused: noBridge }],
  [
    "mqtt-ca",
    { form: "text", meaning: "authority of the bridge, in keydir if it has no leading slash", unused: noBridge },
  ],
  ["zookeeper-keyname", { form: "text", meaning: "name of ZooKeeper's key pair in keydir", unused: noZookeeper }],
  [
    "zookeeper-ca",
    { form: "text", meaning: "authority of ZooKeeper, in keydir if it has no leading slash", unused: noZookeeper },
  ],
  [
    "loglevel",
    {
      form: "log level",
      meaning: "0 is errors alone, 10 is everything",
      sets: { key: "log-level", valueOf: logLevelOf },
    },
  ],
  ["logname", { form: "text", meaning: "name of the log file", unused: logsToStderr }],
  ["logpath", { form: "text", meaning: "folder of the log file", unused: logsToStderr }],
  ["useClientLogs", { form: "switch", meaning: "one log file for each client", unused: logsToStderr }],
  [
    "pidfile",
    {
      form: "text",
      meaning: "file with the process id",
      unused: "the line READY on standard output has the process id",
    },
  ],
  ["var-base", { form: "text", meaning: "folder for everything that is stored", sets: sameAs("data-dir") }],
  [
    "base-config",
    {
      form: "text",
      meaning: "folder of the device classes that come with the program",
      unused: "no node reads device classes yet",
    },
  ],
  [
    "volatile-config",
    {
      form: "text",
      meaning: "folder of this installation's device classes",
      unused: "no node reads device classes yet",
    },
  ],
  ["db-type", { form: "text", meaning: "kind of the document database", unused: noMongo }],
  ["db-port", { form: "port", meaning: "port of the document database", unused: noMongo }],
  ["db-servers", { form: "list", meaning: "servers of the document database", unused: noMongo }],
  ["zookeeper", { form: "switch", meaning: "whether ZooKeeper coordinates", unused: noZookeeper }],
  ["zookeeper-name", { form: "text", meaning: "name of the cluster, in topics too", unused: noZookeeper }],
  [
    "zookeeper-servers",
    { form: "list", meaning: "core servers of ZooKeeper, at least one if it is on", unused: noZookeeper },
  ],
]);

/** What an error says was expected. */
export function expectedOf(form: OriginalForm): string {
  switch (form) {
    case "text":
      return "a text";
    case "switch":
      return "yes or no";
    case "port":
      return "a port from 1 to 65535";
    case "log level":
      return "a whole number from 0 to 10";
    case "list":
      return "a list ( ) of texts";
  }
}

export function hasForm(form: OriginalForm, value: Value): boolean {
  switch (form) {
    case "text":
      return value.type === "string";
    case "switch":
      return value.type === "boolean";
    case "port":
      return value.type === "integer" && value.value >= 1 && value.value <= 65_535;
    case "log level":
      return value.type === "integer" && value.value >= 0 && value.value <= 10;
    case "list":
      return (value.type === "list" || value.type === "array") && value.items.every(({ type }) => type === "string");
  }
}
