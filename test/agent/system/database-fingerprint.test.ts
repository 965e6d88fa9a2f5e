import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { databaseFingerprint } from "#agent/system/database-fingerprint.ts";
import { renewalOf } from "#shared/journal/fingerprint.ts";

test("a file that is written to stays the same; one that is restored from a copy is another", () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-fingerprint-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "fogbank.db");
  writeFileSync(file, "1");
  const before = databaseFingerprint(file);
  writeFileSync(file, "12", { flag: "r+" });
  expect(renewalOf(before, databaseFingerprint(file))).toBeUndefined();
  copyFileSync(file, `${file}-copy`);
  renameSync(`${file}-copy`, file);
  expect(renewalOf(before, databaseFingerprint(file))).toBe("other-file");
});
