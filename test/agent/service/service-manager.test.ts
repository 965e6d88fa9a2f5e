import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { findServiceManager } from "#agent/service/service-manager.ts";
import { runProgram } from "#agent/system/run-program.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const pid = 42;
const socket = { NOTIFY_SOCKET: "/run/systemd/notify" };

function found(env: Readonly<Record<string, string>>, run: typeof runProgram = async () => "") {
  const log = silentLogger();
  const logged = (): readonly string[] => log.lines.map(({ level, phrase }) => `${level}: ${phrase}`);
  return { manager: findServiceManager({ env, pid, log, run }), logged };
}

test("nobody wants to hear anything without NOTIFY_SOCKET", () => {
  expect(found({}).manager).toBeUndefined();
  expect(found({ NOTIFY_SOCKET: "", WATCHDOG_USEC: "1000" }).manager).toBeUndefined();
});

test("the watchdog's time is for the process that it names, in microseconds", () => {
  const watchdogMs = (env: Readonly<Record<string, string>>) => found({ ...socket, ...env }).manager?.watchdogMs;
  expect(watchdogMs({ WATCHDOG_USEC: "120000000", WATCHDOG_PID: "42" })).toBe(120_000);
  expect(watchdogMs({ WATCHDOG_USEC: "120000000" })).toBe(120_000);
  expect(watchdogMs({ WATCHDOG_USEC: "120000000", WATCHDOG_PID: "43" })).toBeUndefined();
  for (const text of ["", "0", "-1", "1e6", "soon"]) expect(watchdogMs({ WATCHDOG_USEC: text })).toBeUndefined();
});

test("systemd-notify is run with each assignment as an argument, and nothing of the node's environment but the socket and the path", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-notify-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "systemd-notify");
  writeFileSync(file, `#!/bin/sh\nfor word in "$@"; do echo "$word"; done > ${folder}/words\nenv > ${folder}/env\n`);
  chmodSync(file, 0o755);
  const env = { ...socket, PATH: `${folder}:/usr/bin:/bin`, FOGBANK_SECRET: "s" };
  const { manager, logged } = found(env, runProgram);
  await manager?.tell("READY=1", "STATUS=two words; $(id)");
  expect(readFileSync(join(folder, "words"), "utf8")).toBe("READY=1\nSTATUS=two words; $(id)\n");
  const seen = readFileSync(join(folder, "env"), "utf8");
  expect(seen).toContain("NOTIFY_SOCKET=/run/systemd/notify\n");
  expect(seen).not.toContain("FOGBANK_SECRET");
  expect(logged()).toEqual([]);
});

test("without systemd-notify, or the right to run it, the node says so once and does not try again", async () => {
  const noRight = Object.assign(new Error("Requires run access"), { name: "NotCapable" });
  let tries = 0;
  const denied: typeof runProgram = () => {
    tries++;
    return Promise.reject(noRight);
  };
  for (const run of [denied, runProgram]) {
    const { manager, logged } = found({ ...socket, PATH: "/nowhere" }, run);
    await manager?.tell("READY=1");
    await manager?.tell("STOPPING=1");
    expect(logged()).toEqual(["warn: the service manager is not told how this node does"]);
  }
  expect(tries).toBe(1);
});

test("a failure of systemd-notify is said once, and the next words are tried all the same", async () => {
  const outcomes = [false, false, true, false];
  const { manager, logged } = found(socket, async () => {
    if (outcomes.shift() === false) throw Object.assign(new Error("Command failed"), { code: 1 });
    return "";
  });
  for (let turn = 0; turn < 4; turn++) await manager?.tell("WATCHDOG=1");
  expect(outcomes).toEqual([]);
  expect(logged()).toEqual(Array(2).fill("warn: the service manager could not be told how this node does"));
});
