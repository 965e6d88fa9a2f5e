import { expect, test } from "vitest";
import { noticesCommand } from "#agent/cli/notices.ts";

async function printed(embedded: string | undefined): Promise<string> {
  let text = "";
  const io = { stdout: (part: string) => void (text += part), stderr: () => undefined };
  await noticesCommand(io, () => embedded).parseAsync([], { from: "user" });
  return text;
}

test("the licences in the binary are printed; sources name where they are", async () => {
  expect(await printed("all of them\n")).toBe("all of them\n");
  expect(await printed(undefined)).toContain("node_modules");
});
