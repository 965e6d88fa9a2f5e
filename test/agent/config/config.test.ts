import fc from "fast-check";
import { expect, test } from "vitest";
import { loadConfig } from "#agent/config/config.ts";
import { renderConfig } from "#agent/config/explain.ts";
import { FogbankError } from "#shared/errors.ts";
import { fault, load } from "./made-config.ts";

const everything = `
name = "fog-1"; level = fog; zone = "hall-3"; tags = ["pump", "north"];
data-dir = "/srv/fogbank"; log-level = warn; insecure = yes;
listen: { mqtt = ("0.0.0.0:1883", "[::1]:1884"); http = "127.0.0.1:0"; };
uplink: { url = "mqtts://cloud.example"; secret-file = "/etc/secret"; ca = "/etc/up-ca"; cert = "/etc/up"; key = "/etc/up-key"; };
tls: { cert = "/etc/cert"; key = "/etc/key"; ca = "/etc/ca"; require-client-certificate = yes; };
auth: { users = "/etc/users"; anonymous = never; };
capture = ( { filter = "/data/#"; stream = "data"; }, { filter = "plant/+/alarm"; stream = "alarms"; } );
sources: { host: { enabled = on; interval-ms = 500; record = "/srv/readings"; }; };
journal: { max-bytes = 1073741824L; };
`;

test("without any source a node has its defaults", () => {
  expect(load()).toMatchObject({ warnings: [] });
  expect(load().config).toEqual({
    name: "pump-1",
    level: "device",
    tags: [],
    dataDir: "/var/lib/fogbank",
    logLevel: "info",
    listen: {
      mqtt: [{ transport: "tcp", host: "127.0.0.1", port: 1883 }],
      http: [{ host: "127.0.0.1", port: 8080 }],
    },
    auth: { anonymous: "local" },
    insecure: false,
    capture: [{ filter: "/data/#", stream: "data" }],
    sources: { host: { enabled: true, intervalMs: 1000 } },
    journal: {},
  });
});

test("a file can set everything", () => {
  expect(load(everything).config).toEqual({
    name: "fog-1",
    level: "fog",
    zone: "hall-3",
    tags: ["pump", "north"],
    dataDir: "/srv/fogbank",
    logLevel: "warn",
    listen: {
      mqtt: [
        { transport: "tcp", host: "0.0.0.0", port: 1883 },
        { transport: "tcp", host: "::1", port: 1884 },
      ],
      http: [{ host: "127.0.0.1", port: 0 }],
    },
    uplink: {
      host: "cloud.example",
      port: 8883,
      url: "mqtts://cloud.example",
      isTls: true,
      secretFile: "/etc/secret",
      ca: "/etc/up-ca",
      cert: "/etc/up",
      key: "/etc/up-key",
    },
    tls: { cert: "/etc/cert", key: "/etc/key", ca: "/etc/ca", requireClientCertificate: true },
    auth: { users: "/etc/users", anonymous: "never" },
    insecure: true,
    capture: [
      { filter: "/data/#", stream: "data" },
      { filter: "plant/+/alarm", stream: "alarms" },
    ],
    sources: { host: { enabled: true, intervalMs: 500, record: "/srv/readings" } },
    journal: { maxBytes: 1_073_741_824 },
  });
});

test("defaults < file < environment < flags, and each value knows its origin", () => {
  const text = "level = fog\nzone = file\n  log-level = debug";
  const env = { FOGBANK_ZONE: "environment", FOGBANK_LOG_LEVEL: "warn" };
  const { config, entries } = load(text, { env, flags: { "log-level": "error" } });
  expect(config).toMatchObject({ level: "fog", zone: "environment", logLevel: "error" });
  expect(entries.filter(({ key }) => /^(name|level|zone|log-level)$/.test(key))).toMatchObject([
    { key: "name", value: "pump-1", origin: "default" },
    { key: "level", value: "fog", origin: "/etc/fog.conf:1:9" },
    { key: "zone", value: "environment", origin: "environment FOGBANK_ZONE" },
    { key: "log-level", value: "error", origin: "flag log-level" },
  ]);
  expect(entries.filter(({ help }) => help.length < 10)).toEqual([]);
});

test("host telemetry is on by default at level device only", () => {
  expect(load("level = device").config.sources.host.enabled).toBe(true);
  expect(load("level = fog").config.sources.host.enabled).toBe(false);
  expect(load("level = fog sources = { host = { enabled = yes } }").config.sources.host.enabled).toBe(true);
  expect(load("", { env: { FOGBANK_SOURCES_HOST_ENABLED: "off" } }).config.sources.host.enabled).toBe(false);
});

test.each([
  ["Bob's Mac.local", "Bob-s-Mac.local"],
  ["..hidden", "hidden"],
  ["", "node"],
  ["x".repeat(70), "x".repeat(64)],
])("the host name %j is made fit", (hostname, name) => {
  expect(load(undefined, { hostname }).config.name).toBe(name);
});

test.each([
  ['lisen: { mqtt = "x" }', '1:1: unknown setting "lisen"; did you mean "listen"?'],
  ["dataDir = x", '1:1: unknown setting "dataDir"; did you mean "data-dir"?'],
  ["listen: { qmtt = x }", '1:11: unknown setting "qmtt" in listen; did you mean "mqtt"?'],
  ["journal: { wobble = x }", '1:12: unknown setting "wobble" in journal; known here: max-bytes'],
  ["constructor = 1", '1:1: unknown setting "constructor"; known here: name, level, zone, tags, data-dir, '],
  ["listen = x", '1:10: listen: expected a group { }, found "x"'],
  ["level = frog", '1:9: level: expected device, fog or cloud, found "frog"'],
  [
    "name = on",
    '1:8: name: expected a name of 1 to 64 letters, digits, ".", "_" or "-", and no dot in front, found the boolean true',
  ],
  ['tags = [ "a", "b c" ]', "1:15: tags[1]: expected a list of at most 64 tags, each 1 to 64 letters"],
  ['zone = "a/b"', "1:8: zone: expected a zone of 1 to 64 characters without"],
  ["insecure = 1", "1:12: insecure: expected true or false, found the number 1"],
  ['listen: { mqtt = "::1:1883" }', '1:18: listen.mqtt: expected "host:port", "mqtts://host:port"'],
  ['listen: { http = ( "a:1", "b:70000" ) }', '1:27: listen.http[1]: expected "host:port"'],
  [
    "listen: { http = 8080 }",
    '1:18: listen.http: expected "host:port" or a list of them, such as "127.0.0.1:1883" or "[::1]:1883", found the number 8080',
  ],
  ['listen: { mqtt = "127.0.0.256:1" }', "1:18: listen.mqtt: expected"],
  [
    'uplink: { url = "ws://a" }',
    '1:17: uplink.url: expected "mqtt://host:port" or "mqtts://host:port", found "ws://a"',
  ],
  ["auth: { anonymous = sometimes }", "1:21: auth.anonymous: expected local, always or never"],
  ['uplink: { url = "mqtt://a:0" }', "1:17: uplink.url: expected"],
  ['uplink: { url = "mqtt://a/b" }', "1:17: uplink.url: expected"],
  [
    "sources: { host: { interval-ms = 99 } }",
    "1:34: sources.host.interval-ms: expected a whole number of milliseconds from 100 to 3600000, found the number 99",
  ],
  ["sources: { host: { interval-ms = 100.5 } }", "1:34: sources.host.interval-ms: expected"],
  ["sources: { host: { interval-ms = 3600001 } }", "1:34: sources.host.interval-ms: expected"],
  [
    "journal: { max-bytes = 9007199254740993 }",
    "1:24: journal.max-bytes: expected a whole number of bytes, at least 1048576, found the number 9007199254740993",
  ],
  ["journal: { max-bytes = 5 }", "1:24: journal.max-bytes: expected"],
  ["capture = data", '1:11: capture: expected a list of groups { filter = "…"; stream = "…"; }, found "data"'],
  ["capture = ( data )", '1:13: capture[0]: expected a group { }, found "data"'],
  ['capture = ( { filter = "/a" } )', '1:13: capture[0]: expected the setting "stream" in this group, found none'],
  [
    'capture = ( { filter = "/a"; strem = a } )',
    '1:38: capture[0].strem: unknown setting "strem"; did you mean "stream"?',
  ],
  ['capture = ( { filter = "/a"; stream = "A" } )', "1:39: capture[0].stream: expected a stream name"],
])("the fault of %j is told with its place", (text, message) => {
  expect(fault(() => load(text))).toContain(`FOGBANK_CONFIG_INVALID /etc/fog.conf:${message}`);
});

test.each([
  ["a/#/b", "an MQTT topic filter"],
  ["$SYS/#", "begin with $"],
  ["#", "a leading wildcard would also take"],
  ["+/machine/x", "a leading wildcard would also take"],
  ["/#", "a leading wildcard would also take"],
  ["/+/x", "a leading wildcard would also take"],
  ["/machine/#", "outside of /machine/, /level/ and /from/"],
  ["/level/x", "outside of /machine/, /level/ and /from/"],
  ["/from/+/x", "outside of /machine/, /level/ and /from/"],
])("the filter %s is not captured", (filter, reason) => {
  expect(fault(() => load(`capture = ( { filter = "${filter}"; stream = s } )`))).toContain(reason);
});

function hundredFilters(streams: number): string {
  const items = Array.from({ length: 100 }, (_, item) => `{ filter = "/a${item}"; stream = s${item % streams} }`);
  return `capture = ( ${items.join(", ")} )`;
}

test("a node has at most 64 streams, however many filters they have", () => {
  expect(load(hundredFilters(64)).config.capture).toHaveLength(100);
  expect(fault(() => load(hundredFilters(65)))).toContain("capture: expected at most 64 streams, found a list");
});

test.each([
  "0.0.0.0:1883",
  "[::]:1883",
  "192.168.1.5:1",
  "example.org:1",
  "localhost.example:1",
  "127.0.0.1.example:1",
])("listening on %s needs insecure = true", (address) => {
  const text = `listen: { http = ( "127.0.0.1:1", "${address}" ) }`;
  expect(fault(() => load(text))).toBe(
    `FOGBANK_LISTEN_INSECURE /etc/fog.conf:1:18: listen.http: other machines can reach ${address}: listen on ` +
      "127.0.0.1 or [::1], or set insecure = true if everybody on that network may use this node",
  );
  expect(load(`${text} insecure = true`).config.listen.http).toHaveLength(2);
});

test.each(["127.0.0.1:1", "127.9.9.9:0", "[::1]:1", "[0:0:0:0:0:0:0:1]:1", "localhost:1", "LocalHost:1"])(
  "listening on %s is safe",
  (address) => {
    expect(load(`listen: { mqtt = "${address}" }`).config.listen.mqtt).toHaveLength(1);
  },
);

test.each([
  ["mqtt://a", { host: "a", port: 1883 }],
  ["mqtt://127.0.0.1:11883/", { host: "127.0.0.1", port: 11883 }],
  ["mqtt://user:pass@[::1]:1884", { host: "::1", port: 1884 }],
])("the uplink %s", (url, address) => {
  expect(load(`level = cloud uplink: { url = "${url}" }`).config.uplink).toEqual({ ...address, url });
});

function refuse(): never {
  throw new Error("permission denied");
}

test("a file that cannot be read is named with the reason", () => {
  expect(fault(() => loadConfig({ file: "/x", env: {}, flags: {}, hostname: "a", readFile: refuse }))).toBe(
    "FOGBANK_CONFIG_INVALID cannot read the configuration file /x: permission denied",
  );
  expect(fault(() => load("a = "))).toBe(
    "FOGBANK_CONFIG_SYNTAX /etc/fog.conf:1:5: expected a value, found the end of the file",
  );
});

test("what is shown reads back as the same configuration", () => {
  const { config, entries } = load(everything);
  for (const withHelp of [false, true]) expect(load(renderConfig(entries, withHelp)).config).toEqual(config);
  const bare = load();
  expect(load(renderConfig(bare.entries)).config).toEqual(bare.config);
});

test("each shown line ends with its origin", () => {
  expect(renderConfig(load("tags = [a]\nuplink: { url = x }".replace("x", '"mqtt://a"')).entries)).toBe(
    `name = "pump-1";  # default
level = "device";  # default
# zone is not set
tags = ( "a" );  # /etc/fog.conf:1:8
data-dir = "/var/lib/fogbank";  # default
log-level = "info";  # default
listen:
{
  mqtt = "127.0.0.1:1883";  # default
  http = "127.0.0.1:8080";  # default
};
uplink:
{
  url = "mqtt://a";  # /etc/fog.conf:2:17
  # uplink.secret-file is not set
  # uplink.ca is not set
  # uplink.cert is not set
  # uplink.key is not set
};
tls:
{
  # tls.cert is not set
  # tls.key is not set
  # tls.ca is not set
  require-client-certificate = false;  # default
};
auth:
{
  # auth.users is not set
  anonymous = "local";  # default
};
insecure = false;  # default
capture = ( { filter = "/data/#"; stream = "data"; } );  # default
sources:
{
  host:
  {
    enabled = true;  # default
    interval-ms = 1000;  # default
    # sources.host.record is not set
  };
};
# journal.max-bytes is not set
`,
  );
});

test.each([
  "mqtt://user:s3cret@host",
  "mqtts://user:s3cret@host",
  "mqtt://user:s3/cr@et@host",
  "mqtt://:s3cret@host:x",
  "mqtt://us/er:s3 cret@host",
  "mqtt:/user:s3cret@host",
  "user:s3cret@host",
])("the password in %s is neither shown nor part of an error", (url) => {
  const shown = fault(() => {
    throw new FogbankError("FOGBANK_USAGE", renderConfig(load(`uplink: { url = "${url}" }`).entries));
  });
  expect(shown).toContain(":***@host");
  expect(shown).not.toMatch(/s3|cr@et/);
});

test("[U15] whatever the file holds, loading gives a configuration or a typed error", () => {
  const values = fc.constantFrom(
    "1",
    "-1",
    '"x"',
    "fog",
    "yes",
    "( )",
    "[ 1 ]",
    "{ }",
    "( { } )",
    '{ url = "mqtt://x" }',
    "{ mqtt = 1 }",
    "{ host = { record = 1 } }",
    "1e3",
    "9007199254740993",
  );
  const keys = fc.constantFrom(
    "name",
    "level",
    "zone",
    "tags",
    "data-dir",
    "log-level",
    "listen",
    "uplink",
    "tls",
    "auth",
    "insecure",
    "capture",
    "sources",
    "journal",
    "x",
  );
  const text = fc
    .array(fc.tuple(keys, values), { maxLength: 5 })
    .map((pairs) => pairs.map(([key, value]) => `${key} = ${value}`).join("\n"));
  fc.assert(
    fc.property(text, (file) => {
      expect(fault(() => load(file))).toMatch(
        /^(?:no fault$|FOGBANK_CONFIG_(?:INVALID|SYNTAX) \/etc\/fog\.conf:\d+:\d+: )/,
      );
    }),
    { numRuns: 1_000 },
  );
});
