import { CommanderError } from "commander";
import { expect, test } from "vitest";
import { configCommand } from "#agent/cli/config.ts";

const files: ReadonlyMap<string, string> = new Map([
  ["good.conf", 'name = fog-1 level = fog uplink: { url = "mqtt://u:s3cret@cloud:1884" }'],
  ["bad.conf", "level = frog"],
]);

function run(args: readonly string[], env: Record<string, string> = {}) {
  const written = { stdout: "", stderr: "", exitCode: 0 };
  const command = configCommand({
    stdout: (text) => (written.stdout += text),
    stderr: (text) => (written.stderr += text),
    env,
    hostname: "pump-1",
    readFile: (path) => {
      const text = files.get(path);
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
