import { CommanderError } from "commander";
import { expect, test } from "vitest";
import { configCommand } from "#agent/cli/config.ts";
import { loadConfig } from "#agent/config/config.ts";
import { originalFiles, withoutZookeeper } from "../config/made-original.ts";

const files: ReadonlyMap<string, string> = new Map([
  ["good.conf", 'name = fog-1 level = fog uplink: { url = "mqtt://u:s3cret@cloud:1884" }'],
  ["bad.conf", "level = frog"],
  ["utopiad.conf", withoutZookeeper(originalFiles.atLast)],
  ["on.conf", originalFiles.atLast],
]);

function run(args: readonly string[], env: Record<string, string> = {}, more: Readonly<Record<string, string>> = {}) {
  const written = { stdout: "", stderr: "", exitCode: 0 };
  const command = configCommand({
    stdout: (text) => (written.stdout += text),
    stderr: (text) => (written.stderr += text),
    env,
    hostname: "pump-1",
    readFile: (path) => {
      const text = more[path] ?? files.get(path);
      if (text === undefined) throw new Error(`no such file: ${path}`);
      return text;
    },
  });
  try {
    command.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    written.exitCode = error.exitCode;
  }
  return written;
}

test("check says ok with a summary, whatever the environment holds", () => {
  expect(run(["check", "good.conf"], { FOGBANK_LEVEL: "frog" })).toEqual({
    stdout:
      'good.conf: ok\nfog node "fog-1" listens on mqtt 127.0.0.1:1883, http 127.0.0.1:8080, ' +
      "dials cloud port 1884, stores in /var/lib/fogbank\n",
    stderr: "",
    exitCode: 0,
  });
});

test("check of a bad file is one message on stderr and exit code 2", () => {
  expect(run(["check", "bad.conf"])).toEqual({
    stdout: "",
    stderr: 'FOGBANK_CONFIG_INVALID: bad.conf:1:9: level: expected device, fog or cloud, found "frog"\n',
    exitCode: 2,
  });
  expect(run(["check", "none.conf"])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("no such file") });
});

test("show prints values with their origin, no password, and warnings on stderr", () => {
  const args = ["show", "--config", "good.conf", "--set", "zone=a=b", "--set", "log-level=warn"];
  const { stdout, stderr, exitCode } = run(args, { FOGBANK_TAGS: "x,y", FOGBANK_ZOEN: "x" });
  expect(exitCode).toBe(0);
  expect(stdout).toContain('level = "fog";  # good.conf:1:22\n');
  expect(stdout).toContain('zone = "a=b";  # flag zone\n');
  expect(stdout).toContain('tags = ( "x", "y" );  # environment FOGBANK_TAGS\n');
  expect(stdout).toContain('url = "mqtt://u:***@cloud:1884";');
  expect(stderr).toBe('warning: environment: unknown variable FOGBANK_ZOEN is ignored; did you mean "FOGBANK_ZONE"?\n');
});

test("show explains on request", () => {
  expect(run(["show", "--explain"]).stdout).toContain(
    '# rank in the tree: device, fog or cloud\nlevel = "device";  # default\n',
  );
});

test("show refuses what is no assignment and what is no key", () => {
  expect(run(["show", "--set", "zone"]).stderr).toContain("Expected key=value");
  expect(run(["show", "--set", "zoen=x"])).toMatchObject({
    exitCode: 2,
    stderr: 'FOGBANK_CONFIG_INVALID: flags: unknown setting "zoen"; did you mean "zone"?\n',
  });
});

test("[U16] import prints the original file in our own form, which reads back as the same node", () => {
  const { stdout, stderr, exitCode } = run(["import", "utopiad.conf"], { FOGBANK_LEVEL: "fog" });
  expect([stderr, exitCode]).toEqual(["", 0]);
  const [head, ...lines] = stdout.split("\n");
  expect(head).toBe("# What utopiad.conf means. Everything else has its default.");
  expect(lines.slice(0, 4)).toEqual([
    'name = "10.0.0.1";  # utopiad.conf:4:12',
    'level = "cloud";  # utopiad.conf:2:1',
    'data-dir = "/var/lib/utopia_server";  # utopiad.conf:21:12',
    'log-level = "error";  # utopiad.conf:16:26',
  ]);
  expect(lines[5]).toBe("# Not used by this version:");
  const notUsed = 'pidfile = "/var/run/utopia_server.pid";  (utopiad.conf:20:11) the line READY';
  expect(stdout).toContain(`#   ${notUsed} on standard output has the process id\n`);
  const configOf = (text: string) =>
    loadConfig({ file: "x", env: {}, flags: {}, hostname: "h", readFile: () => text }).config;
  expect(configOf(stdout)).toEqual(configOf(files.get("utopiad.conf") ?? ""));
});

test("[U-T2] import of what cannot be used, or of a file of our own, is one message and exit code 2", () => {
  expect(run(["import", "on.conf"])).toMatchObject({
    exitCode: 2,
    stdout: "",
    stderr: expect.stringContaining("zookeeper-servers must name at least one server"),
  });
  expect(run(["import", "good.conf"])).toMatchObject({
    exitCode: 2,
    stderr: "FOGBANK_CONFIG_INVALID: good.conf: this is no utopiad.conf: none of its settings is there\n",
  });
});

test("[U17] [U-T3] without --config the file of the system is shown, and no second one", () => {
  const system = { "/etc/utopiad.conf": 'hostname = "hall"', "/etc/utopia/utopiad.conf": 'var-base = "/srv"' };
  const { stdout, stderr, exitCode } = run(["show"], {}, system);
  expect([stderr, exitCode]).toEqual(["", 0]);
  expect(stdout).toContain('data-dir = "/srv";  # /etc/utopia/utopiad.conf:1:12\n');
  expect(stdout).toContain('name = "pump-1";  # default\n');
  expect(run(["show", "--config", "good.conf"], {}, system).stdout).toContain('name = "fog-1";  # good.conf:1:8\n');
});
