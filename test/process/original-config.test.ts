// The original configuration file of the Utopia document, on real processes.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { originalFiles, withoutZookeeper } from "../agent/config/made-original.ts";

const main = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fogbank-original-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** `fogbank run` with that file, on free ports. */
function run(content: string): ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream } {
  const file = join(folder, "utopiad.conf");
  writeFileSync(file, content.replace("/var/lib/utopia_server", join(folder, "data")));
  const ports = ["listen.mqtt=127.0.0.1:0", "listen.http=127.0.0.1:0"].flatMap((setting) => ["--set", setting]);
  return spawn(process.execPath, [main, "run", "--config", file, ...ports], { stdio: ["ignore", "pipe", "pipe"] });
}

test("[U-S1] [U16] [U17] with ZooKeeper off the original file starts a node, which says what of it is not used", async () => {
  const child = run(withoutZookeeper(originalFiles.atLast).replace("loglevel = 0", "loglevel = 3"));
  try {
    const stderr = text(child.stderr);
    let ready: unknown;
    for await (const line of createInterface(child.stdout)) {
      if (!line.startsWith("READY ")) continue;
      ready = JSON.parse(line.slice("READY ".length));
      break;
    }
    expect(ready).toMatchObject({ name: "10.0.0.1" });
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    expect(await ended).toEqual([0, null]);
    const log = await stderr;
    expect(log).toContain(join(folder, "utopiad.conf"));
    expect(log).toContain("not used by this version: user, group, keydir");
  } finally {
    child.kill("SIGKILL");
  }
});

test("[U-S1] [U-T2] as it is, the original file is refused for its empty list of servers", async () => {
  for (const content of Object.values(originalFiles)) {
    const child = run(content);
    const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("zookeeper-servers must name at least one server")]);
  }
});
