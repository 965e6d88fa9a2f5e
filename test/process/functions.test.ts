// Executables as functions of a real node: whatever they do, the caller is told, and nothing is left running.
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createPortPicker } from "../../scripts/demo/free-ports.ts";
import { nodeUnderTest, type NodeUnderTest } from "../../scripts/torture/node-under-test.ts";
import { connect, type FogbankClient } from "../../client/client.ts";

const folder = mkdtempSync(join(tmpdir(), "fogbank-functions-"));
const functions = join(folder, "functions");
let node: NodeUnderTest;
let client: FogbankClient;

beforeAll(async () => {
  mkdirSync(functions, { mode: 0o755 });
  const pick = createPortPicker();
  const settings = `level = device; sources: { host: { enabled = false; }; };
    functions-dir = "${functions}"; functions: { max-seconds = 1; };`;
  node = nodeUnderTest(folder, "device-1", { mqtt: await pick(), http: await pick() }, settings);
  await node.start();
  client = await connect(`mqtt://127.0.0.1:${node.mqttPort}`);
});

afterAll(async () => {
  await client.close();
  await node.end();
  rmSync(folder, { recursive: true, force: true });
});

function add(file: string, script: string): void {
  const path = join(functions, file);
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
}

/** What this node answers. */
async function answerOf(name: string, args?: unknown, ttl = 20): Promise<unknown> {
  return (await client.call(name, args, { ttl })).results[0];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function pidIn(file: string): Promise<number> {
  const read = (): string => {
    try {
      return readFileSync(join(functions, file), "utf8");
    } catch {
      return "";
    }
  };
  await expect.poll(read).toMatch(/^\d+\n$/);
  return Number(read());
}

test("a file is a function as soon as it is there, called down the tree and at its level", async () => {
  expect(await answerOf("join")).toMatchObject({ status: "refused" });
  add(
    "join.sh",
    'read args; echo "{\\"args\\": $args, \\"node\\": \\"$FOGBANK_NODE\\", \\"origin\\": \\"$FOGBANK_ORIGIN\\"}"',
  );
  const value = { args: { a: [1, "x"] }, node: "device-1", origin: "device-1" };
  expect(await answerOf("join", { a: [1, "x"] })).toMatchObject({ status: "done", value });
  expect(await client.callLevel("join", { a: [1, "x"] })).toMatchObject({ status: "done", value });
});

test.each([
  ["fails", "echo no power >&2; exit 7", "exit code 7: no power"],
  ["floods", "exec cat /dev/zero", "more than 16384 bytes of output"],
  ["hangs", "exec sleep 1000", "it ran for more than 1 s"],
  ["crashes", "kill -SEGV $$", "ended by SIGSEGV"],
])("one that %s is failed, with its reason", async (name, script, reason) => {
  add(`${name}.sh`, script);
  expect(await answerOf(name)).toEqual({ node: "device-1", status: "failed", reason });
});

test("arguments that do not fit the schema beside it are refused", async () => {
  add("blink.sh", "echo blinked");
  writeFileSync(join(functions, "blink.schema.json"), JSON.stringify({ type: "integer", maximum: 3 }));
  expect(await answerOf("blink", 4)).toMatchObject({ status: "refused" });
  expect(await answerOf("blink", 3)).toMatchObject({ status: "done", value: "blinked" });
});

test("at the deadline of its call, and when the node stops, it is ended", async () => {
  add("late.sh", "echo $$ > late.pid; exec sleep 1000");
  const late = answerOf("late", null, 0.3);
  const pid = await pidIn("late.pid");
  expect(await late).toMatchObject({ status: "failed", reason: "no answer before the deadline" });
  await expect.poll(() => isAlive(pid)).toBe(false);

  add("left.sh", "echo $$ > left.pid; exec sleep 1000");
  const stopped = client.call("left").catch(() => undefined);
  const left = await pidIn("left.pid");
  await node.end("SIGTERM");
  expect(isAlive(left)).toBe(false);
  await client.close();
  await stopped;
});
