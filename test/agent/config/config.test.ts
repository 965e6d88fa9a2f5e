import fc from "fast-check";
import { expect, test } from "vitest";
import { loadConfig } from "#agent/config/config.ts";
import { renderConfig } from "#agent/config/explain.ts";
import { FogbankError } from "#shared/errors.ts";
import { fault, load } from "./made-config.ts";

const everything = `
name = "fog-1"; level = fog; zone = "hall-3"; tags = ["pump", "north"];
lat = 52.5; lon = -13; class = "pump-controller";
cond: { hot = "data('room/temp').avg > 30.0"; alarm = "cond.hot && level == 'fog'"; };
data: { window-ms = 5000; };
data-dir = "/srv/fogbank"; log-level = warn; insecure = yes;
listen: { mqtt = ("0.0.0.0:1883", "[::1]:1884"); http = "127.0.0.1:0"; };
uplink: { url = "mqtts://cloud.example"; secret-file = "/etc/secret"; ca = "/etc/up-ca"; cert = "/etc/up"; key = "/etc/up-key"; };
tls: { cert = "/etc/cert"; key = "/etc/key"; ca = "/etc/ca"; require-client-certificate = yes; };
auth: { users = "/etc/users"; anonymous = never; };
streams = (
  { name = "alarms"; filters = ( "/data/alarms/#", "plant/+/alarm" ); priority = 0; share = 2; order = "live-first"; policy = "ttl"; class = "final"; max-bytes = 10485760L; max-age = "7d"; },
  { name = "data"; filters = "/data/#"; }
);
sources: { host: { enabled = on; interval-ms = 500; record = "/srv/readings"; }; };
functions-dir = "/srv/functions"; functions: { max-seconds = 5; at-once = 2; };
journal: { max-bytes = 1073741824L; profile = "flash"; min-commit-ms = 250; };
`;

const dataStream = {
  name: "data",
  filters: ["/data/#"],
  priority: 2,
  share: 1,
  order: "live-first",
  policy: "oldest",
  class: "custody",
};

function stream(setting: string): string {
  return `streams = ( { name = alarms; filters = "/a"; ${setting} } )`;
}

test("without any source a node has its defaults", () => {
  expect(load()).toMatchObject({ warnings: [] });
  expect(load().config).toEqual({
    name: "pump-1",
    level: "device",
    tags: [],
    cond: {},
    dataWindowMs: 60_000,
    dataDir: "/var/lib/fogbank",
    logLevel: "info",
    listen: {
      mqtt: [{ transport: "tcp", host: "127.0.0.1", port: 1883 }],
      http: [{ host: "127.0.0.1", port: 8080 }],
    },
    auth: { anonymous: "local" },
    insecure: false,
    streams: [dataStream],
    sources: { host: { enabled: true, intervalMs: 1000 } },
    functions: { maxSeconds: 60, atOnce: 4 },
    journal: { minCommitMs: 0 },
  });
});

test("a file can set everything", () => {
  expect(load(everything).config).toEqual({
    name: "fog-1",
    level: "fog",
    zone: "hall-3",
    tags: ["pump", "north"],
    lat: 52.5,
    lon: -13,
    class: "pump-controller",
    cond: { hot: "data('room/temp').avg > 30.0", alarm: "cond.hot && level == 'fog'" },
    dataWindowMs: 5_000,
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
    streams: [
      {
        name: "alarms",
        filters: ["/data/alarms/#", "plant/+/alarm"],
        priority: 0,
        share: 2,
        order: "live-first",
        policy: "ttl",
        class: "final",
        maxBytes: 10_485_760,
        maxAgeMs: 7 * 86_400_000,
      },
      dataStream,
    ],
    sources: { host: { enabled: true, intervalMs: 500, record: "/srv/readings" } },
    functions: { directory: "/srv/functions", maxSeconds: 5, atOnce: 2 },
    journal: { maxBytes: 1_073_741_824, minCommitMs: 250 },
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
  [
    "journal: { wobble = x }",
    '1:12: unknown setting "wobble" in journal; known here: max-bytes, profile, min-commit-ms',
  ],
  [
    "constructor = 1",
    '1:1: unknown setting "constructor"; known here: name, level, zone, tags, lat, lon, class, cond, data, data-dir, ',
  ],
  ["listen = x", '1:10: listen: expected a group { }, found "x"'],
  ["level = frog", '1:9: level: expected device, fog or cloud, found "frog"'],
  [
    "name = on",
    '1:8: name: expected a name of 1 to 64 letters, digits, ".", "_" or "-", and no dot in front, found the boolean true',
  ],
  ['tags = [ "a", "b c" ]', "1:15: tags[1]: expected a list of at most 64 tags, each 1 to 64 letters"],
  ["lat = 90.5", "1:7: lat: expected a number of degrees from -90 to 90, found the number 90.5"],
  ["lon = west", '1:7: lon: expected a number of degrees from -180 to 180, found "west"'],
  ['class = "a b"', "1:9: class: expected a class of 1 to 64 letters"],
  ["data: { window-ms = 10 }", "1:21: data.window-ms: expected a whole number of milliseconds from 1000 to 3600000"],
  ["cond = 1", "1:8: cond: expected a group of conditions such as { hot = "],
  ["cond: { hot = 1 }", "1:15: cond.hot: expected a condition as a text, found the number 1"],
  [
    'cond: {\n  hot = "level == )"; }',
    '2:9: cond.hot: expected a condition (line 1, column 10: unexpected ")"), found "level == )"',
  ],
  ['cond: { a-b = "true" }', "1:15: cond.a-b: expected a name of at most 64 letters, digits or _"],
  ['cond: { in = "true" }', "1:14: cond.in: expected a name of at most 64"],
  [
    'cond: { a = "cond.b"; b = "true || cond.c"; c = "cond.b" }',
    "1:27: cond.b: expected a condition that does not need itself (b needs c needs b)",
  ],
  [
    'cond: { a = "cond.b" }',
    "1:13: cond.a: expected a condition that refers only to others of this group, and cond.b is not there",
  ],
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
  [
    "functions: { max-seconds = 0 }",
    "1:28: functions.max-seconds: expected a whole number of seconds from 1 to 604800",
  ],
  ["functions: { at-once = 257 }", "1:24: functions.at-once: expected a whole number from 1 to 256"],
  ["journal: { max-bytes = 5 }", "1:24: journal.max-bytes: expected"],
  ['journal: { profile = "sd" }', '1:22: journal.profile: expected normal or flash, found "sd"'],
  ["journal: { min-commit-ms = 10001 }", "1:28: journal.min-commit-ms: expected a whole number of milliseconds"],
  ["streams = data", '1:11: streams: expected a list of groups { name = "…"; filters = ( "…" ); }, found "data"'],
  ["streams = ( data )", '1:13: streams[0]: expected a group { }, found "data"'],
  ['streams = ( { name = "a" } )', '1:13: streams[0] "a": expected the setting "filters" in this group, found none'],
  [
    'streams = ( { name = a; filtrs = "/a" } )',
    '1:34: streams[0] "a".filtrs: unknown setting "filtrs"; did you mean "filters"?',
  ],
  ['streams = ( { name = "A"; filters = "/a" } )', '1:22: streams[0] "A".name: expected a stream name'],
  ["streams = ( { name = a; filters = ( ) } )", '1:35: streams[0] "a".filters: expected a list of 1 to 64'],
  [stream("priority = 4"), '1:57: streams[0] "alarms".priority: expected 0 (alarms), 1 (events)'],
  [stream("share = 0"), '1:54: streams[0] "alarms".share: expected a whole number from 1 to 1000, found the number 0'],
  [stream("order = fifo"), '1:54: streams[0] "alarms".order: expected strict or live-first, found "fifo"'],
  [stream("policy = none"), '1:55: streams[0] "alarms".policy: expected oldest, newest, decimate or ttl'],
  [stream("policy = ttl"), '1:55: streams[0] "alarms".policy: expected a max-age in the same group'],
  [stream("class = first"), '1:54: streams[0] "alarms".class: expected custody or final'],
  [
    stream("max-bytes = 4096"),
    '1:58: streams[0] "alarms".max-bytes: expected a whole number of bytes, at least 524288',
  ],
  [stream('max-age = "7w"'), '1:56: streams[0] "alarms".max-age: expected a duration such as "90s", "15m"'],
  [
    "streams = ( { name = a; filters = x; }, { name = a; filters = y; } )",
    "1:11: streams: expected streams of different names, each with all of its filters in one group",
  ],
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
  expect(fault(() => load(`streams = ( { name = s; filters = "${filter}" } )`))).toContain(reason);
});

test("a node has at most 64 streams", () => {
  const streams = (count: number): string => {
    const groups = Array.from({ length: count }, (_, index) => `{ name = s${index}; filters = "/a${index}" }`);
    return `streams = ( ${groups.join(", ")} )`;
  };
  expect(load(streams(64)).config.streams).toHaveLength(64);
  expect(fault(() => load(streams(65)))).toContain("streams: expected at most 64 streams, found a list");
});

test.each([
  [0, "strict"],
  [1, "strict"],
  [2, "live-first"],
  [3, "live-first"],
])("without an order a stream of priority %d is sent %s", (priority, order) => {
  expect(load(stream(`priority = ${priority}`)).config.streams).toMatchObject([{ priority, order }]);
});

test.each([
  ["90s", 90_000],
  ["15m", 900_000],
  ["36 h", 129_600_000],
  ["7d", 604_800_000],
])("the age %s", (text, maxAgeMs) => {
  expect(load(stream(`max-age = "${text}"`)).config.streams).toMatchObject([{ maxAgeMs }]);
});

test.each(["", "0d", "7", "d", "-1d", "1.5h", "7d 3h", "40000d", "99999999999s"])("%j is no age", (text) => {
  expect(fault(() => load(stream(`max-age = "${text}"`)))).toContain("expected a duration");
});

test.each([
  ["", 0],
  ["profile = normal", 0],
  ["profile = flash", 100],
  ["profile = flash; min-commit-ms = 0", 0],
  ["min-commit-ms = 20", 20],
])("with journal: { %s } commits are %d ms apart", (settings, minCommitMs) => {
  expect(load(`journal: { ${settings} }`).config.journal).toEqual({ minCommitMs });
});

test("each field of a stream is explained", () => {
  const shown = renderConfig(load().entries, true);
  for (const field of ["name", "filters", "priority", "share", "order", "policy", "class", "max-bytes", "max-age"]) {
    expect(shown).toMatch(new RegExp(`^#   ${field} `, "m"));
  }
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
    "lat",
    "class",
    "cond",
    "data",
    "data-dir",
    "log-level",
    "listen",
    "uplink",
    "tls",
    "auth",
    "insecure",
    "streams",
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
