// What is put into Node: the bundle, its assets, the flags it runs with, and the code that V8 has compiled of it.
import { execFile } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Bundle } from "./bundle.ts";
import type { NodeBase } from "./node-base.ts";
import type { Target } from "./target.ts";
import type { Toolbox } from "./toolbox.ts";

const run = promisify(execFile);

/**
 * With which Node runs, and no others: it does not read NODE_OPTIONS. Why each, with figures: docs/building.md. Most other flags would
 * make V8 refuse Node's own compiled code.
 */
const nodeFlags: readonly string[] = ["--max-semi-space-size=1", "--v8-pool-size=1", "--disable-sigusr1"];

/** Who makes it. V8 takes compiled code only from the same version on the same kind of machine. */
export interface BlobMaker {
  readonly command: string;
  readonly args: readonly string[];
  readonly makesCodeCache: boolean;
}

/** `tell` hears when there will be no code cache, and why. Rejects when there is nobody at all. */
export async function chooseMaker(
  target: Target,
  base: NodeBase,
  toolbox: Toolbox,
  tell: (text: string) => void,
): Promise<BlobMaker> {
  if (target.isNative) return { command: base.file, args: [], makesCodeCache: true };
  const { qemu, library, libraryRoot } = target.emulator;
  const [emulator, found] = [await toolbox.find(qemu), await toolbox.find(library)];
  if (emulator !== undefined && found !== undefined) {
    return { command: emulator, args: ["-L", libraryRoot, base.file], makesCodeCache: true };
  }
  if (target.arch === "armv7") throw new Error("a Node of 32 bits takes only what one has made: armv7 needs qemu");
  if (process.versions.node !== base.version) {
    throw new Error(`without qemu it takes the same Node: this is ${process.versions.node}, that ${base.version}`);
  }
  tell(`${target.arch}: without qemu there is no code cache in it, so it starts slower`);
  return { command: process.execPath, args: [], makesCodeCache: false };
}

export interface BlobPlan {
  readonly folder: string;
  readonly bundle: Bundle;
  readonly notices: string;
  /** Text of the unit that `fogbank install` writes. */
  readonly unit: string;
  readonly maker: BlobMaker;
  readonly usesCodeCache: boolean;
}

/** Answers its file. The same bytes each time if there is no code cache in it. */
export async function makeBlob({ folder, bundle, notices, unit, maker, usesCodeCache }: BlobPlan): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return name; // not where it lies: that of the main script is in the blob, and differs each time
  };
  const output = "fogbank.blob";
  const config = {
    main: write("main.cjs", bundle.main),
    output,
    disableExperimentalSEAWarning: true,
    useSnapshot: false,
    useCodeCache: usesCodeCache && maker.makesCodeCache,
    execArgv: nodeFlags,
    execArgvExtension: "none",
    assets: {
      NOTICES: write("NOTICES", notices),
      "fogbank.service": write("fogbank.service", unit),
      ...Object.fromEntries([...bundle.others].map(([name, text]) => [name, write(name, text)])),
    },
  };
  const configFile = write("sea.json", JSON.stringify(config));
  await run(maker.command, [...maker.args, "--experimental-sea-config", configFile], { cwd: folder, env: {} });
  return join(folder, output);
}
