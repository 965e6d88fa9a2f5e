import { expect, test } from "vitest";
import { openFilesMax } from "../../../../scripts/bench/broker/idle-connections.ts";

test("the limit of open files is the soft one", () => {
  const limits = "Limit                     Soft Limit           Hard Limit           Units\n";
  expect(openFilesMax(`${limits}Max open files            1024                 20000                files\n`)).toBe(
    1024,
  );
  expect(openFilesMax(`${limits}Max open files            unlimited            unlimited            files\n`)).toBe(
    Infinity,
  );
  expect(openFilesMax("")).toBe(Infinity);
});
