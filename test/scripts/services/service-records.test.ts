// `npm run services` finds what it has started, ends that and nothing else, and leaves no data behind.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { isRunning, recordOf, startRecorded, stopRecorded } from "../../../scripts/services/service-records.ts";
import type { Service } from "../../../scripts/services/service.ts";

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "fogbank-services-"));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** A service of one process that waits for the end of its input. */
function waiting(): Service & { readonly children: ChildProcess[] } {
  const children: ChildProcess[] = [];
  onTestFinished(() => {
    for (const child of children) child.kill("SIGKILL");
  });
  return {
    name: "waiting",
    variable: "WAITING_URL",
    children,
    async start(data) {
      writeFileSync(join(data, "data"), "x");
      const child = spawn(process.execPath, ["-e", "process.stdin.resume()"], { stdio: ["pipe", "ignore", "ignore"] });
      children.push(child);
      await once(child, "spawn");
      return { url: `wait://${child.pid}`, pids: [child.pid ?? 0] };
    },
  };
}

test("what was started is found again, and ended with its data", async () => {
  const [at, service] = [folder(), waiting()];
  expect(recordOf(at, service)).toBeUndefined();
  const { url } = await startRecorded(at, service);
  const record = recordOf(at, service);
  expect([record?.url, record?.processes.map((one) => isRunning(one))]).toEqual([url, [true]]);
  const [child] = service.children;
  const ended = child === undefined ? undefined : once(child, "exit");
  expect(stopRecorded(at, service)).toBe(1);
  expect(await ended).toEqual([null, "SIGKILL"]);
  expect([record?.processes.map((one) => isRunning(one)), existsSync(join(at, "waiting"))]).toEqual([[false], false]);
  expect(stopRecorded(at, service)).toBe(0);
});

test("a process that has got the number of one that was ours is left alone", async () => {
  const [at, service] = [folder(), waiting()];
  await startRecorded(at, service);
  const file = join(at, "waiting", "service.json");
  writeFileSync(file, readFileSync(file, "utf8").replace(/"startedAt": "\d+"/, '"startedAt": "1"'));
  expect(stopRecorded(at, service)).toBe(0);
  expect(service.children[0]?.exitCode).toBeNull();
  expect(service.children[0]?.signalCode).toBeNull();
});

test("a start that fails leaves no record", async () => {
  const at = folder();
  const broken: Service = { name: "broken", variable: "X", start: () => Promise.reject(new Error("cannot run here")) };
  await expect(startRecorded(at, broken)).rejects.toThrow("cannot run here");
  expect(recordOf(at, broken)).toBeUndefined();
});
