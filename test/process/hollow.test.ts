// `fogbank bench hollow` below a fog of a real tree.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { call, withTree } from "./call-tree.ts";

const program = fileURLToPath(new URL("../../agent/main.ts", import.meta.url));

test("hundreds of hollow devices in one process answer a call from the cloud, and the process ends at Ctrl-C", () =>
  withTree(async ({ cloud, fog }) => {
    const parent = `mqtt://127.0.0.1:${fog.mqttPort}`;
    const args = [
      "bench",
      "hollow",
      "--children",
      "300",
      "--parent",
      parent,
      "--function",
      "blink=1",
      "--tags",
      "hollow",
    ];
    const hollow = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(hollow, "exit");
    const said: string[] = [];
    const lines = createInterface({ input: hollow.stdout }).on("line", (line) => said.push(line));
    const ended = once(lines, "close");
    try {
      await once(lines, "line");
      expect(said[0]).toMatch(/^READY \{"children":300,"bytesPerChild":\d+\}$/);
      const { code, stdout } = await call(cloud, "--if", "'hollow' in tags", "--json", "blink");
      expect(JSON.parse(stdout)).toMatchObject({ final: true, counts: { matched: 300, done: 300 }, waiting: [] });
      expect(code).toBe(0);
    } finally {
      hollow.kill("SIGINT");
    }
    expect(await exited).toEqual([130, null]);
    await ended;
    expect(said[1]).toMatch(/^300 connected, 300 functions run, \d+ events heard$/);
  }));
