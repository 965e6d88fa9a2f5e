// Every setting of a node: its key, what it accepts, its default and its help text, in one place.
// A key is the path in the file joined by dots. Messages are what an error says was expected.
import * as v from "valibot";
import { isNodeName, levels } from "#shared/ids.ts";
import { limits } from "#shared/limits.ts";
import { anonymousModes } from "../auth/authorizer.ts";
import { namedConditionsSchema } from "./condition-schema.ts";
import { parseListenAddress, parseMqttAddress } from "./listen-address.ts";
import { streamsHelp, streamsSchema } from "./stream-schema.ts";
import { parseUplinkUrl } from "./uplink-url.ts";

/** How text from the environment or a flag becomes a value: as it stands, as a list of words, or as libconfig. */
export type Takes = "text" | "words" | "value";

const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
const journalProfiles = ["normal", "flash"] as const;
const journalBytesMin = 4 * limits.segmentBytes;
const listenersMax = 16;
const tagsMax = 64;

const expectedName = `a name of 1 to ${limits.nodeNameChars} letters, digits, ".", "_" or "-", and no dot in front`;
const expectedZone = "a zone of 1 to 64 characters without /, +, # and control characters";
const expectedTags = `a list of at most ${tagsMax} tags, each 1 to 64 letters, digits, ".", "_" or "-"`;
const expectedClass = 'a class of 1 to 64 letters, digits, ".", "_" or "-"';
const expectedListen = '"host:port" or a list of them, such as "127.0.0.1:1883" or "[::1]:1883"';
const expectedMqttListen =
  '"host:port", "mqtts://host:port", "ws://host:port", "wss://host:port", "unix:/path" of at most 103 bytes, or a list of them';
const expectedPath = "a path";
const expectedUplink = '"mqtt://host:port" or "mqtts://host:port"';
const expectedAnonymous = "local, always or never";
const expectedJournalBytes = `a whole number of bytes, at least ${journalBytesMin}`;
const expectedMongodb = "a URL that begins with mongodb:// or mongodb+srv://";
const expectedDatabase = 'a name of 1 to 63 letters, digits, "_" or "-"';
const expectedBoolean = "true or false";

const path = v.pipe(v.string(expectedPath), v.regex(/^[^\0]+$/, expectedPath));

const listenAddresses = addressesBy(parseListenAddress, expectedListen);
const mqttAddresses = addressesBy(parseMqttAddress, expectedMqttListen);

const uplinkUrl = v.pipe(
  v.string(expectedUplink),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    const address = parseUplinkUrl(dataset.value);
    if (address !== undefined) return address;
    addIssue({ message: expectedUplink });
    return NEVER;
  }),
);

const tag = v.pipe(v.string(expectedTags), v.regex(/^[A-Za-z0-9._-]{1,64}$/, expectedTags));

/** Strict over a record of dotted keys. The defaults that depend on the surroundings are in `config.ts`. */
export const configSchema = v.strictObject({
  name: row(
    "text",
    "name of this node, unique in its tree",
    v.pipe(v.string(expectedName), v.guard(isNodeName, expectedName)),
  ),
  level: row(
    "text",
    "rank in the tree: device, fog or cloud",
    v.optional(v.picklist(levels, "device, fog or cloud"), "device"),
  ),
  zone: row(
    "text",
    "where the node is: access point, network, hall",
    v.optional(v.pipe(v.string(expectedZone), v.regex(/^[^/+#\p{Cc}]{1,64}$/u, expectedZone))),
  ),
  tags: row(
    "words",
    "words that conditions can ask for",
    v.optional(v.pipe(v.array(tag, expectedTags), v.maxLength(tagsMax, expectedTags)), []),
  ),
  lat: row("value", "latitude of the node in degrees, from -90 to 90", v.optional(degrees(90))),
  lon: row("value", "longitude of the node in degrees, from -180 to 180", v.optional(degrees(180))),
  class: row(
    "text",
    "kind of device, such as pump-controller, that conditions can ask for",
    v.optional(v.pipe(v.string(expectedClass), v.regex(/^[A-Za-z0-9._-]{1,64}$/, expectedClass))),
  ),
  cond: row(
    "value",
    "conditions with a name, which others refer to as cond.<name>: each node has its own",
    v.optional(namedConditionsSchema, {}),
  ),
  "data.window-ms": row(
    "value",
    "time over which data(path) in conditions takes averages, in milliseconds",
    v.optional(whole("milliseconds", 1_000, 3_600_000), 60_000),
  ),
  "data-dir": row("text", "folder for everything that this node stores", v.optional(path, "/var/lib/fogbank")),
  "log-level": row(
    "text",
    "least severity that is logged",
    v.optional(v.picklist(logLevels, "debug, info, warn, error or silent"), "info"),
  ),
  "listen.mqtt": row(
    "words",
    "addresses of the MQTT broker, also mqtts://, ws://, wss:// and unix:/path; port 0 is any free port",
    v.optional(mqttAddresses, "127.0.0.1:1883"),
  ),
  "listen.http": row(
    "words",
    "addresses of health, metrics and dashboard; ( ) for none",
    v.optional(listenAddresses, "127.0.0.1:8080"),
  ),
  "uplink.url": row("text", "broker of the level above; without it this node is a root", v.optional(uplinkUrl)),
  "uplink.secret-file": row(
    "text",
    "file whose first line proves this node's name to the parent, which stores it by `fogbank user add --child`",
    v.optional(path),
  ),
  "uplink.ca": row(
    "text",
    "authorities that the parent's certificate is verified against; without it those of the system",
    v.optional(path),
  ),
  "uplink.cert": row("text", "certificate of this node, shown to the parent", v.optional(path)),
  "uplink.key": row("text", "key of that certificate", v.optional(path)),
  "tls.cert": row("text", "certificate of the mqtts and wss listeners, PEM, the node's own first", v.optional(path)),
  "tls.key": row("text", "key of that certificate", v.optional(path)),
  "tls.ca": row(
    "text",
    "authorities that client certificates are verified against; without it none is asked for",
    v.optional(path),
  ),
  "tls.require-client-certificate": row(
    "value",
    "let nobody without a verified certificate through TLS listeners",
    flag(),
  ),
  "auth.users": row("text", "file of users, access rules and child secrets: see `fogbank user`", v.optional(path)),
  "auth.anonymous": row(
    "text",
    "who may connect without a name: local (loopback and Unix sockets only), always or never",
    v.optional(v.picklist(anonymousModes, expectedAnonymous), "local"),
  ),
  insecure: row("value", "allow listeners without TLS that other machines can reach", flag()),
  streams: row("value", streamsHelp, v.optional(streamsSchema, [{ name: "data", filters: ["/data/#"] }])),
  "sources.host.enabled": row(
    "value",
    "record telemetry of this machine; by default on devices only",
    v.optional(v.boolean(expectedBoolean)),
  ),
  "sources.host.interval-ms": row(
    "value",
    "time between two readings of this machine, in milliseconds",
    v.optional(whole("milliseconds", 100, 3_600_000), 1000),
  ),
  "sources.host.record": row("text", "file to which each acknowledged reading is appended", v.optional(path)),
  "functions-dir": row("text", "folder whose executable files are functions that calls run", v.optional(path)),
  "functions.max-seconds": row(
    "value",
    "most seconds that such a file runs for one call",
    v.optional(whole("seconds", 1, limits.callTtlMsMax / 1000), 60),
  ),
  "functions.at-once": row(
    "value",
    "how many such files run at the same time; other calls wait for their turn",
    v.optional(whole(undefined, 1, 256), 4),
  ),
  "documents.url": row(
    "text",
    "MongoDB that keeps the documents of a root at level cloud; without it they are in documents.db",
    v.optional(v.pipe(v.string(expectedMongodb), v.regex(/^mongodb(\+srv)?:\/\/\S+$/, expectedMongodb))),
  ),
  "documents.database": row(
    "text",
    "database in that MongoDB; each root has one of its own",
    v.optional(v.pipe(v.string(expectedDatabase), v.regex(/^[A-Za-z0-9_-]{1,63}$/, expectedDatabase)), "fogbank"),
  ),
  "documents.user": row("text", "who logs in there", v.optional(v.string("a name"))),
  "documents.password-file": row("text", "file whose first line is the password of that user", v.optional(path)),
  "documents.ca": row(
    "text",
    "authorities that its certificate is verified against, PEM; turns TLS on, as tls=true in the URL does",
    v.optional(path),
  ),
  "documents.certificate-key": row(
    "text",
    "certificate of this node and its key in one file, PEM, shown to it; turns TLS on",
    v.optional(path),
  ),
  "journal.max-bytes": row(
    "value",
    "most bytes that the journal takes; without it, what the disk allows",
    v.optional(
      v.pipe(
        v.number(expectedJournalBytes),
        v.safeInteger(expectedJournalBytes),
        v.minValue(journalBytesMin, expectedJournalBytes),
      ),
    ),
  ),
  "journal.profile": row(
    "text",
    "normal, or flash: commits are gathered so that an SD card lasts; priority 0 is committed at once all the same",
    v.optional(v.picklist(journalProfiles, "normal or flash"), "normal"),
  ),
  "journal.min-commit-ms": row(
    "value",
    "least time from one commit to the next, in milliseconds; without it, 0 in the profile normal and 100 in flash",
    v.optional(whole("milliseconds", 0, 10_000)),
  ),
});

export type ConfigKey = keyof typeof configSchema.entries;

/** Whether `text` is the key of a setting. */
export function isConfigKey(text: string): text is ConfigKey {
  return Object.hasOwn(configSchema.entries, text);
}

/** In the order in which they are shown. */
export const configKeys: readonly ConfigKey[] = Object.keys(configSchema.entries).filter(isConfigKey);

export function helpOf(key: ConfigKey): string {
  return v.getDescription(configSchema.entries[key]) ?? "";
}

export function takesOf(key: ConfigKey): Takes {
  return v.getMetadata(configSchema.entries[key]).takes;
}

function whole(unit: string | undefined, least: number, most: number) {
  const expected = `a whole number ${unit === undefined ? "" : `of ${unit} `}from ${least} to ${most}`;
  return v.pipe(v.number(expected), v.integer(expected), v.minValue(least, expected), v.maxValue(most, expected));
}

/** A setting that is on or off, and which it is when nothing is said. */
/** A switch that is off unless it is set. */
function flag() {
  return v.optional(v.boolean(expectedBoolean), false);
}

function degrees(most: number) {
  const expected = `a number of degrees from -${most} to ${most}`;
  return v.pipe(v.number(expected), v.minValue(-most, expected), v.maxValue(most, expected));
}

function addressesBy<T>(parse: (text: string) => T | undefined, expected: string) {
  const address = v.pipe(
    v.string(expected),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const parsed = parse(dataset.value);
      if (parsed !== undefined) return parsed;
      addIssue({ message: expected });
      return NEVER;
    }),
  );
  return v.pipe(
    v.union([v.string(), v.array(v.unknown())], expected),
    v.transform((value) => (typeof value === "string" ? [value] : value)),
    v.array(address),
    v.maxLength(listenersMax, `at most ${listenersMax} addresses`),
  );
}

function row<const Schema extends v.GenericSchema>(takes: Takes, help: string, schema: Schema) {
  return v.pipe(schema, v.description(help), v.metadata({ takes }));
}
