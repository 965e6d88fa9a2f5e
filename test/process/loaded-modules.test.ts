// What a device loads while it works, linked to a cloud node: what is for others only would cost memory on every small machine.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { connectAsync } from "mqtt";
import { expect, onTestFinished, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const program = join(root, "agent/main.ts");

/** Writes down at the end whatever the main thread has resolved, `import()` included. */
const recorder = `
  import { registerHooks } from "node:module";
  import { writeFileSync } from "node:fs";
  import { isMainThread } from "node:worker_threads";
  const urls = new Set();
  if (isMainThread) {
    registerHooks({
      resolve(specifier, context, next) {
        const resolved = next(specifier, context);
        urls.add(resolved.url);
        return resolved;
      },
    });
    process.on("exit", () => writeFileSync(process.env.LOADED_FILE, JSON.stringify([...urls])));
  }
`;

interface Running {
  readonly mqtt: string;
  readonly http: string;
  /** Ends it; answers what it has loaded: files of the project relative to it, and `node:` modules. */
  loaded(): Promise<readonly string[]>;
}

async function run(folder: string, level: "device" | "cloud", parent?: string): Promise<Running> {
  const recorderFile = join(folder, "recorder.mjs");
  writeFileSync(recorderFile, recorder);
  const loadedFile = join(folder, `${level}.json`);
  const settings = {
    name: level,
    level,
    "data-dir": join(folder, level),
    "listen.mqtt": "127.0.0.1:0",
    "listen.http": "127.0.0.1:0",
    ...(parent !== undefined && { "uplink.url": `mqtt://${parent}` }),
  };
  const args = Object.entries(settings).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const child = spawn(process.execPath, ["--import", pathToFileURL(recorderFile).href, program, "run", ...args], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, LOADED_FILE: loadedFile },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
  const ready = JSON.parse(line.replace("READY ", "")) as { readonly mqtt: string[]; readonly http: string[] };
  return {
    mqtt: ready.mqtt[0] ?? "",
    http: ready.http[0] ?? "",
    async loaded() {
      const exited = once(child, "exit");
      child.kill("SIGTERM");
      await exited;
      const urls = JSON.parse(readFileSync(loadedFile, "utf8")) as readonly string[];
      return urls.map((url) => url.replace(pathToFileURL(root).href, ""));
    },
  };
}

test("a device that is linked and hands on messages loads nothing that only a cloud, a command or TLS needs", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-loaded-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const cloud = await run(folder, "cloud");
  const device = await run(folder, "device", cloud.mqtt);

  const client = await connectAsync({ host: "127.0.0.1", port: Number(device.mqtt.split(":")[1]) });
  await client.publishAsync("/data/t", "21.5", { qos: 1 });
  await client.endAsync();
  await expect
    .poll(async () => (await fetch(`http://${cloud.http}/api/v1/data`)).text(), { timeout: 20_000 })
    .toContain("21.5");

  const byDevice = await device.loaded();
  const byCloud = await cloud.loaded();
  const foreign = /^cloud\/|^node_modules\/(?:mqtt|mqtt-packet|ws|mongodb|bson)\/|^node:(?:tls|https|http2)$/;
  expect(byDevice.filter((name) => foreign.test(name))).toEqual([]);
  // The list has what was loaded, late things too.
  expect(byDevice).toEqual(expect.arrayContaining(["agent/main.ts", "agent/link/parent-socket.ts", "node:net"]));
  expect(byCloud).toContain("cloud/cloud.ts");
});
