import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createPinoLogger } from "#agent/system/pino-logger.ts";

test("a line is written before the call returns, with its fields and those of its parents", () => {
  const folder = mkdtempSync(join(tmpdir(), "fogbank-log-"));
  const file = join(folder, "log");
  const fd = openSync(file, "w");
  const log = createPinoLogger("info", fd).child({ part: "link" });
  log.debug({}, "not written");
  log.warn({ peer: "fog-1", error: new Error("why") }, "uplink lost");
  const lines = readFileSync(file, "utf8").trim().split("\n");
  closeSync(fd);
  rmSync(folder, { recursive: true });
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    part: "link",
    peer: "fog-1",
    msg: "uplink lost",
    error: { message: "why" },
  });
});
