import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { createLineCounter, readRecord } from "../../../scripts/demo/record-file.ts";

function recordFile(): string {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-record-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return join(folder, "device-1.record");
}

test("a record that is not there yet is empty", async () => {
  const file = recordFile();
  expect(await readRecord(file)).toEqual([]);
  expect(await createLineCounter(file)()).toBe(0);
});

test("a line counts when it is complete", async () => {
  const file = recordFile();
  const count = createLineCounter(file);
  appendFileSync(file, "a\tb\tc\nd\te");
  expect(await readRecord(file)).toEqual(["a\tb\tc"]);
  expect(await count()).toBe(1);
  appendFileSync(file, "\tf\ng\th\ti\n");
  expect(await readRecord(file)).toEqual(["a\tb\tc", "d\te\tf", "g\th\ti"]);
  expect(await Promise.all([count(), count()])).toEqual([3, 3]);
});
