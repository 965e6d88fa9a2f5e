import { expect, test } from "vitest";
import { loadConfig, type LoadedConfig } from "#agent/config/config.ts";
import { originalKeys } from "#agent/config/original-keys.ts";
import { parseConfig } from "#shared/libconfig/libconfig.ts";
import { originalFiles, withoutZookeeper } from "./made-original.ts";

const load = (text: string): LoadedConfig =>
  loadConfig({ file: "utopiad.conf", env: {}, flags: {}, hostname: "pump-1", readFile: () => text });

const refused = (message: string) =>
  expect.objectContaining({ code: "FOGBANK_CONFIG_INVALID", message: expect.stringContaining(message) });

const last = withoutZookeeper(originalFiles.atLast);

test("[U15] [U16] [U-S1] [U-T1] [U-T2] the original file parses unchanged, 21 keys and 28, and is refused for zookeeper-servers", () => {
  expect(parseConfig(originalFiles.atFirst, "utopiad.conf")).toHaveLength(21);
  expect(parseConfig(originalFiles.atLast, "utopiad.conf").map(({ name }) => name)).toEqual([...originalKeys.keys()]);
  for (const text of Object.values(originalFiles))
    expect(() => load(text)).toThrow(refused("zookeeper is on: zookeeper-servers must name at least one server"));
  expect(() => load("zookeeper = on")).toThrow(refused("utopiad.conf:1:13: zookeeper is on: zookeeper-servers"));
});

test("[U16] [U17] [U-S1] with ZooKeeper off, or not named, it is a node of the cloud", () => {
  for (const text of Object.values(originalFiles)) {
    const { config } = load(withoutZookeeper(text));
    expect(config).toMatchObject({ level: "cloud", logLevel: "error", dataDir: "/var/lib/utopia_server" });
  }
  expect(load(last).config.name).toBe("10.0.0.1");
  expect(load(withoutZookeeper(originalFiles.atFirst)).config.name).toBe("pump-1");
  expect(load('user = "utopiad"').config).toMatchObject({ level: "cloud", dataDir: "/var/lib/fogbank" });
});

test("[U16] every key sets something here, or is named as not used, with a reason", () => {
  const { entries, unused, warnings } = load(last);
  const set = entries.filter(({ origin }) => origin.startsWith("utopiad.conf:"));
  expect(set.map(({ key, origin }) => [key, origin])).toEqual([
    ["name", "utopiad.conf:4:12"],
    ["level", "utopiad.conf:2:1"],
    ["data-dir", "utopiad.conf:21:12"],
    ["log-level", "utopiad.conf:16:26"],
  ]);
  expect(unused.map(({ name }) => name)).toEqual(
    [...originalKeys].flatMap(([name, { sets }]) => (sets === undefined ? [name] : [])),
  );
  expect(unused.filter(({ reason }) => reason === "")).toEqual([]);
  expect(warnings).toEqual([expect.stringContaining("not used by this version: user, group, keydir")]);
});

test("[U16] the log levels from 0 to 10", () => {
  const levelOf = (level: number) => load(`loglevel = ${level}`).config.logLevel;
  expect([0, 1, 2, 3, 6, 7, 10].map(levelOf)).toEqual(["error", "warn", "warn", "info", "info", "debug", "debug"]);
});

test("[U16] a key that is unknown, or of the wrong form, is an error with its place", () => {
  const wrong: Readonly<Record<string, string>> = {
    'user = "x"\nlogelvel = 1': 'utopiad.conf:2:1: unknown setting "logelvel"; did you mean "loglevel"?',
    'user = "x"\nlevel = fog': "cannot be mixed",
    "user = 7": "utopiad.conf:1:8: user: expected a text, found the number 7",
    "rest-auth = maybe": "rest-auth: expected yes or no",
    "loglevel = 11": "loglevel: expected a whole number from 0 to 10",
    "db-port = 0": "db-port: expected a port from 1 to 65535",
    'db-servers = "10.0.0.3"': "db-servers: expected a list ( ) of texts",
    "db-servers = ( 3 )": "db-servers: expected a list ( ) of texts",
    'hostname = "a/b"': "utopiad.conf:1:12: name: expected a name",
  };
  for (const [text, message] of Object.entries(wrong)) expect(() => load(text)).toThrow(refused(message));
});

test("[U-T12] a cluster cannot be called like another tree of topics, or what is no level of a topic", () => {
  for (const name of ["machine", "level", "moat", "a/b", "+", "$x", ""])
    expect(() => load(`zookeeper-name = "${name}"`)).toThrow(
      refused("zookeeper-name: it is the first level of topics"),
    );
  expect(load("zookeeper-name = bigones").config.level).toBe("cloud");
});

test("[U18] ZooKeeper with servers in a list is taken, and named as not used", () => {
  const { unused } = load('zookeeper = on zookeeper-servers = ( "10.0.0.1:2181", "10.0.0.2:2181" )');
  expect(unused.map(({ name }) => name)).toEqual(["zookeeper", "zookeeper-servers"]);
});
