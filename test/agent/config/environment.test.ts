import { expect, test } from "vitest";
import { didYouMean } from "#agent/config/did-you-mean.ts";
import { variableOf } from "#agent/config/environment.ts";
import { configKeys } from "#agent/config/schema.ts";
import { fault, load } from "./made-config.ts";

function withEnv(env: Record<string, string>) {
  return load(undefined, { env });
}

test("each key has a variable of its own", () => {
  expect(variableOf("sources.host.interval-ms")).toBe("FOGBANK_SOURCES_HOST_INTERVAL_MS");
  expect(new Set(configKeys.map(variableOf)).size).toBe(configKeys.length);
});

test("strings are taken as they stand, other values are read as libconfig", () => {
  const { config } = withEnv({
    FOGBANK_NAME: "on",
    FOGBANK_DATA_DIR: "/a dir",
    FOGBANK_UPLINK_URL: "mqtt://127.0.0.1:11883",
    FOGBANK_INSECURE: "yes",
    FOGBANK_SOURCES_HOST_INTERVAL_MS: "0x100",
    FOGBANK_STREAMS: '( { name = x; filters = "/x" } )',
  });
  expect(config).toMatchObject({
    name: "on",
    dataDir: "/a dir",
    uplink: { host: "127.0.0.1", port: 11883 },
    insecure: true,
    sources: { host: { intervalMs: 256 } },
    streams: [{ name: "x", filters: ["/x"] }],
  });
});

test.each([
  ["127.0.0.1:1", ["127.0.0.1"]],
  ["[::1]:1", ["::1"]],
  ["[::1]:1, localhost:2", ["::1", "localhost"]],
  ['[ "127.0.0.1:1", "[::1]:2" ]', ["127.0.0.1", "::1"]],
  ['( "127.0.0.1:1" )', ["127.0.0.1"]],
  ["( )", []],
])("a list of strings may be written as %j", (text, hosts) => {
  expect(withEnv({ FOGBANK_LISTEN_MQTT: text }).config.listen.mqtt.map(({ host }) => host)).toEqual(hosts);
  expect(load(undefined, { flags: { "listen.mqtt": text } }).config.listen.mqtt).toHaveLength(hosts.length);
});

test("faults name the variable or the flag", () => {
  expect(fault(() => withEnv({ FOGBANK_LEVEL: "frog" }))).toBe(
    'FOGBANK_CONFIG_INVALID environment FOGBANK_LEVEL: level: expected device, fog or cloud, found "frog"',
  );
  expect(fault(() => withEnv({ FOGBANK_INSECURE: "( 1" }))).toBe(
    'FOGBANK_CONFIG_SYNTAX FOGBANK_INSECURE:1:4: expected "," or ")", found the end of the file',
  );
  expect(fault(() => load(undefined, { flags: { tags: "a,b c" } }))).toContain("flag tags: tags[1]: expected a list");
  expect(fault(() => withEnv({ FOGBANK_LISTEN_MQTT: "0.0.0.0:1883" }))).toContain(
    "FOGBANK_LISTEN_INSECURE environment FOGBANK_LISTEN_MQTT: listen.mqtt: other machines can reach 0.0.0.0:1883",
  );
});

test("an unknown variable is a warning, an unknown flag an error", () => {
  expect(withEnv({ FOGBANK_LISEN_MQTT: "x", FOGBANK_SERVICE_HOST_PORT_99: "y" }).warnings).toEqual([
    'environment: unknown variable FOGBANK_LISEN_MQTT is ignored; did you mean "FOGBANK_LISTEN_MQTT"?',
    "environment: unknown variable FOGBANK_SERVICE_HOST_PORT_99 is ignored",
  ]);
  expect(fault(() => load(undefined, { flags: { "listen.mqt": "x" } }))).toBe(
    'FOGBANK_CONFIG_INVALID flags: unknown setting "listen.mqt"; did you mean "listen.mqtt"?',
  );
  expect(fault(() => load(undefined, { flags: { toString: "x" } }))).toContain('unknown setting "toString"');
});

test("variables of tests and of other programs are left alone, empty ones are not set", () => {
  const { config, warnings } = withEnv({ FOGBANK_TEST_X: "1", FOG: "2", LEVEL: "fog", FOGBANK_ZONE: "" });
  expect(config).toMatchObject({ level: "device" });
  expect(config.zone).toBeUndefined();
  expect(warnings).toEqual(["environment: FOGBANK_ZONE is empty and is ignored"]);
});

test.each([
  ["lvel", "level"],
  ["LEVEL", "level"],
  ["levle", "level"],
  ["log_level", "log-level"],
  ["z", undefined],
  ["streams-of-everything", undefined],
])("%j is taken for %j", (word, meant) => {
  expect(didYouMean(word, ["name", "level", "log-level", "streams"])).toBe(
    meant === undefined ? "" : `; did you mean "${meant}"?`,
  );
});
