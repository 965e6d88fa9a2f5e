import { expect, test } from "vitest";
import { parseLibraries } from "../../../scripts/build-check/empty-root.ts";

test("the libraries of a binary are read from what ldd says, the loader with them and the kernel's own without a file", () => {
  const text = [
    "\tlinux-vdso.so.1 (0x00007ffd2b3f2000)",
    "\tlibdl.so.2 => /lib/x86_64-linux-gnu/libdl.so.2 (0x00007f0b1a9f6000)",
    "\tlibgone.so.1 => not found",
    "\t/lib64/ld-linux-x86-64.so.2 (0x00007f0b1aa0b000)",
    "",
  ].join("\n");
  expect(parseLibraries(text)).toEqual(["/lib/x86_64-linux-gnu/libdl.so.2", "/lib64/ld-linux-x86-64.so.2"]);
});
