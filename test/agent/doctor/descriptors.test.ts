import { expect, test } from "vitest";
import { fileLimitIn, judgeDescriptors } from "#agent/doctor/descriptors.ts";

test("the limit is held against what a level may have", () => {
  const judge = (limit: number, level: "device" | "fog" | "cloud") =>
    judgeDescriptors({ limit, level, isOfNode: true });
  expect(judge(1024, "device").level).toBe("ok");
  expect(judge(1024, "fog")).toMatchObject({
    level: "advice",
    todo: expect.stringContaining("LimitNOFILE=2064") as string,
  });
  expect(judge(524_288, "cloud").level).toBe("ok");
  expect(judge(Infinity, "cloud")).toMatchObject({ level: "ok", what: expect.stringContaining("25000") as string });
  expect(judge(128, "device").level).toBe("warning");
  expect(judge(32, "cloud")).toMatchObject({ level: "warning", what: expect.stringContaining("room for 0") as string });
});

test("the hard limit counts: the runtime raises its own to it", () => {
  expect(fileLimitIn("Max open files            1024                 524288               files     \n")).toBe(524_288);
  expect(fileLimitIn("Max open files            1024                 unlimited            files     \n")).toBe(
    Infinity,
  );
  expect(fileLimitIn(undefined)).toBeUndefined();
});
