// One binary from the bundle, for one kind of machine.
//
//   base --copy--> strip --> inject <-- blob <-- bundle, NOTICES, unit          then the archive of it
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeArchive } from "./archive.ts";
import { chooseMaker, makeBlob } from "./blob.ts";
import type { Bundle } from "./bundle.ts";
import { makeExecutable } from "./executable.ts";
import { provideBase } from "./node-base.ts";
import { makeNotices } from "./notices.ts";
import type { Target } from "./target.ts";
import type { Toolbox } from "./toolbox.ts";

export interface BinaryPlan {
  /** The checkout. */
  readonly root: string;
  readonly bundle: Bundle;
  readonly target: Target;
  readonly version: string;
  /** Gets the executable, as `fogbank-<version>-linux-<arch>`, and the archive. */
  readonly folder: string;
  readonly usesCodeCache: boolean;
  readonly makesArchive: boolean;
  /** Of the files in the archive. */
  readonly modifiedAtSeconds: number;
  readonly toolbox: Toolbox;
  readonly env: NodeJS.ProcessEnv;
  readonly tell: (text: string) => void;
}

export interface Binary {
  readonly executable: string;
  readonly archive: string | undefined;
  readonly hasCodeCache: boolean;
  readonly bytes: {
    readonly base: number;
    readonly bundle: number;
    readonly executable: number;
    /** NaN without one. */
    readonly archive: number;
  };
}

/** Rejects when a part cannot be had; what can be done without is told. */
export async function buildBinary(plan: BinaryPlan): Promise<Binary> {
  const { root, bundle, target, tell, toolbox } = plan;
  mkdirSync(plan.folder, { recursive: true });
  const folder = mkdtempSync(join(plan.folder, `.${target.arch}-`));
  try {
    const base = await provideBase(target, { root, env: plan.env, folder });
    tell(`${target.arch}: Node ${base.version} from ${base.source}`);
    const notices = makeNotices({ root, inputs: bundle.inputs, node: base });
    const maker = await chooseMaker(target, base, toolbox, tell);
    const unit = readFileSync(join(root, "deploy/systemd/fogbank.service"), "utf8");
    const { usesCodeCache } = plan;
    const blob = await makeBlob({ folder: join(folder, "blob"), bundle, notices, unit, maker, usesCodeCache });
    const strip = await toolbox.find(target.strip);
    if (strip === undefined) tell(`${target.arch}: its symbols stay in, so it is larger`);
    const executable = join(plan.folder, `fogbank-${plan.version}-linux-${target.arch}`);
    await makeExecutable({ base: base.file, blob, output: executable, strip });
    tell(`${target.arch}: ${executable}`);
    const licence = readFileSync(join(root, "LICENSE"), "utf8");
    const { modifiedAtSeconds } = plan;
    const archived = join(folder, "archive");
    mkdirSync(archived);
    const archive = plan.makesArchive
      ? await makeArchive({ folder: archived, executable, licence, notices, unit, modifiedAtSeconds })
      : undefined;
    return {
      executable,
      archive,
      hasCodeCache: usesCodeCache && maker.makesCodeCache,
      bytes: {
        base: statSync(base.file).size,
        bundle: [bundle.main, ...bundle.others.values()].reduce((sum, text) => sum + Buffer.byteLength(text), 0),
        executable: statSync(executable).size,
        archive: archive === undefined ? Number.NaN : statSync(archive).size,
      },
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
