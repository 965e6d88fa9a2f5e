import { expect, test } from "vitest";
import { createToolbox } from "../../../scripts/build/toolbox.ts";

test("a tool is the first of its names that is on the path, or a file that is there", async () => {
  const toolbox = createToolbox({ tell: () => undefined, mayInstall: false });
  expect(await toolbox.find({ names: ["no-such-program", "sh"], debianPackage: "dash" })).toMatch(/^\/.*\/sh$/);
  expect(await toolbox.find({ names: ["/proc/self/stat"], debianPackage: "none" })).toBe("/proc/self/stat");
});

test("a missing tool is named with Debian's package, once, where nothing may be installed", async () => {
  const told: string[] = [];
  const toolbox = createToolbox({ tell: (text) => told.push(text), mayInstall: false });
  const tool = { names: ["no-such-program"], debianPackage: "some-package" };
  expect(await Promise.all([toolbox.find(tool), toolbox.find(tool)])).toEqual([undefined, undefined]);
  expect(told).toEqual(["no-such-program is not here: on Debian it is in the package some-package"]);
});
