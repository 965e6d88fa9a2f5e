// A node process of the demo that cannot start: what the user is told.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createPortPicker } from "../../../scripts/demo/free-ports.ts";
import { planNode } from "../../../scripts/demo/node-plan.ts";
import { createNodeProcess, NodeFailure } from "../../../scripts/demo/node-process.ts";

test("a node that does not start is named with its exit code and the end of its log", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-node-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const plan = planNode(folder, "cloud-1", "cloud", undefined);
  writeFileSync(plan.dataDir, "a file where the folder should be");
  const watched: number[] = [];
  const node = createNodeProcess(plan, {
    guard: {
      watch: (pid) => void watched.push(pid),
      forget: (pid) => void watched.splice(watched.indexOf(pid), 1),
      [Symbol.dispose]() {},
    },
    closing: new AbortController().signal,
    pickPort: createPortPicker(),
    onEnded: () => undefined,
  });
  const failure: unknown = await node.start(undefined).catch((error: unknown) => error);
  if (!(failure instanceof NodeFailure)) throw new Error(`expected a NodeFailure, got ${String(failure)}`);
  expect(failure.message).toContain("cloud-1 did not start: exit code 1");
  expect(failure.message).toContain("FOGBANK_DATA_DIR");
  expect(node.state()).toMatchObject({ at: "down", how: "exit code 1" });
  expect(watched).toEqual([]);
});
