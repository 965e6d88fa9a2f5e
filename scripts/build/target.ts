// For which machines the binary is built, and what each takes from this one.
import type { Tool } from "./toolbox.ts";

export const architectures = ["x64", "arm64", "armv7"] as const;
export type Architecture = (typeof architectures)[number];

export interface Target {
  readonly arch: Architecture;
  /** Whether this machine runs its programs as they are. */
  readonly isNative: boolean;
  /** The package of package-lock.json with its Node; none exists for armv7. */
  readonly nodePackage: string | undefined;
  /** Environment variable that names another Node to build on. */
  readonly baseVariable: string;
  readonly strip: Tool;
  /** Runs its programs on a machine of another kind. */
  readonly emulator: Emulator;
}

export interface Emulator {
  readonly qemu: Tool;
  /** Any file of the C++ library for the target: its packages bring all that Node needs. */
  readonly library: Tool;
  /** Under it qemu looks for libraries. */
  readonly libraryRoot: string;
}

interface Names {
  readonly nodeArch: string;
  readonly qemu: string;
  /** As in names of programs and folders. */
  readonly triplet: string;
  readonly debianArch: string;
}

const namesByArch: Readonly<Record<Architecture, Names>> = {
  x64: { nodeArch: "x64", qemu: "x86_64", triplet: "x86_64-linux-gnu", debianArch: "amd64" },
  arm64: { nodeArch: "arm64", qemu: "aarch64", triplet: "aarch64-linux-gnu", debianArch: "arm64" },
  armv7: { nodeArch: "arm", qemu: "arm", triplet: "arm-linux-gnueabihf", debianArch: "armhf" },
};

/** `hostArch` as in `process.arch`. */
export function targetOf(arch: Architecture, hostArch: string): Target {
  const { nodeArch, qemu, triplet, debianArch } = namesByArch[arch];
  const isNative = nodeArch === hostArch;
  const libraryRoot = `/usr/${triplet}`;
  return {
    arch,
    isNative,
    nodePackage: arch === "armv7" ? undefined : `node-linux-${arch}`,
    baseVariable: `NODE_BASE_${arch.toUpperCase()}`,
    strip: {
      names: [`${triplet}-strip`, ...(isNative ? ["strip"] : [])],
      debianPackage: isNative ? "binutils" : `binutils-${triplet.replace("_", "-")}`,
    },
    emulator: {
      qemu: { names: [`qemu-${qemu}-static`], debianPackage: "qemu-user-static" },
      library: { names: [`${libraryRoot}/lib/libstdc++.so.6`], debianPackage: `libstdc++6-${debianArch}-cross` },
      libraryRoot,
    },
  };
}
