// The examples of the client library, run as a reader would run them, against a real node.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";

const examples = fileURLToPath(new URL("../../examples/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "fogbank-examples-"));
let node: NodeUnderTest;

beforeAll(async () => {
  const pick = createPortPicker();
  const settings = "level = device; sources: { host: { enabled = false; }; };";
  node = nodeUnderTest(folder, "device-1", { mqtt: await pick(), http: await pick() }, settings);
  await node.start();
});

afterAll(async () => {
  await node.end();
  rmSync(folder, { recursive: true, force: true });
});

const urlOfNode = (): string => `mqtt://127.0.0.1:${node.mqttPort}`;

function start(example: string): ChildProcess & { readonly stdout: NonNullable<ChildProcess["stdout"]> } {
  return spawn(process.execPath, [join(examples, example), urlOfNode()], { stdio: ["ignore", "pipe", "inherit"] });
}

/** To its end. */
async function run(example: string): Promise<{ readonly code: unknown; readonly stdout: string }> {
  const child = start(example);
  const [stdout, [code]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  return { code, stdout };
}

test("every example is run here", () => {
  expect(readdirSync(examples).toSorted()).toEqual(["call.ts", "events.ts", "implement.ts", "publish.ts"]);
});

test("publish.ts", async () => {
  expect(await run("publish.ts")).toEqual({ code: 0, stdout: "stored\n" });
});

test("implement.ts and call.ts", async () => {
  const program = start("implement.ts");
  const lines: string[] = [];
  const reader = createInterface(program.stdout);
  reader.on("line", (line) => lines.push(line));
  try {
    await once(reader, "line");
    expect(lines).toEqual(["ready"]);
    const { code, stdout } = await run("call.ts");
    expect(code).toBe(0);
    expect(stdout).toContain("device-1 done { blinked: 2 }\n");
    await expect.poll(() => lines).toEqual(["ready", "blink, says device-1", "blink, says device-1"]);
  } finally {
    program.kill();
    await once(program, "exit");
  }
});

test("events.ts", async () => {
  const { code, stdout } = await run("events.ts");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^door { open: true } raised at device-1 20\d\d-\d\d-\d\dT[\d:.]+Z\n$/);
});
