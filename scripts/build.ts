// `npm run build`: the program as one file, for x64 and arm64, in dist/. What it is made of, and what of it is the same bytes each
// time, is in docs/building.md. Exit codes: 0 built, 1 failure, 2 usage.
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { version } from "#agent/version.ts";
import { renderTable } from "./bench/table.ts";
import { writeChecksums } from "./build/archive.ts";
import { buildBinary, type Binary } from "./build/build-binary.ts";
import { bundleProgram } from "./build/bundle.ts";
import { hasBase } from "./build/node-base.ts";
import { optionalParts, type OptionalPart } from "./build/optional-parts.ts";
import { architectures, targetOf, type Architecture, type Target } from "./build/target.ts";
import { createToolbox } from "./build/toolbox.ts";
import { listOf, parseOptions } from "./demo/command-line.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const mega = 1_000_000;

interface Options {
  readonly arch: readonly Architecture[];
  readonly without: readonly OptionalPart[];
  readonly out: string;
  readonly archive: boolean;
  readonly codeCache: boolean;
  readonly install: boolean;
}

interface Built {
  readonly target: Target;
  readonly binary: Binary;
  readonly seconds: number;
}

void main();

async function main(): Promise<void> {
  const options = parseArguments(process.argv);
  if (typeof options === "number") return void (process.exitCode = options);
  try {
    await build(options);
  } catch (error) {
    tell(`the build failed: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}

async function build(options: Options): Promise<void> {
  const folder = resolve(root, options.out);
  mkdirSync(folder, { recursive: true });
  // What an earlier build left would get into the checksums of this one.
  for (const name of readdirSync(folder)) if (/^fogbank-|^SHA256SUMS$/.test(name)) rmSync(join(folder, name));
  const bundle = await bundleProgram(root, options.without);
  tell(`bundled ${bundle.inputs.length} files into main.cjs, ${[...bundle.others.keys()].join(", ")}`);
  const toolbox = createToolbox({ tell, mayInstall: options.install });
  const buildFor = async (target: Target): Promise<Built> => {
    const startMs = performance.now();
    const binary = await buildBinary({
      root,
      bundle,
      target,
      version,
      folder,
      toolbox,
      tell,
      usesCodeCache: options.codeCache,
      makesArchive: options.archive,
      modifiedAtSeconds: sourceDate(),
      env: process.env,
    });
    return { target, binary, seconds: (performance.now() - startMs) / 1000 };
  };
  // Side by side: most of the time is that of xz, which has one thread for each.
  const built = await Promise.all(wantedTargets(options.arch).map(buildFor));
  writeChecksums(folder);
  process.stdout.write([...summary(built), `${join(folder, "SHA256SUMS")} written`, ""].join("\n"));
}

/** All that can be built; of the rest it is told. */
function wantedTargets(wanted: readonly Architecture[]): readonly Target[] {
  return wanted
    .map((arch) => targetOf(arch, process.arch))
    .filter((target) => {
      const isPossible = hasBase(target, process.env);
      if (!isPossible) {
        tell(
          `${target.arch}: not built. No official Node 24 for it is on npm; name one by ${target.baseVariable}=<path to its bin/node>`,
        );
      }
      return isPossible;
    });
}

/** Of the commit, so that a second build of it has the same. */
function sourceDate(): number {
  const given = process.env["SOURCE_DATE_EPOCH"] ?? "";
  if (/^\d+$/.test(given)) return Number(given);
  try {
    const args = ["log", "-1", "--format=%ct"];
    return Number(
      execFileSync("git", args, { cwd: root, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim(),
    );
  } catch {
    return 0; // no git, or no checkout
  }
}

function summary(built: readonly Built[]): readonly string[] {
  const rows = built.map(({ target, binary: { bytes, hasCodeCache }, seconds }) => ({
    name: target.arch,
    figures: {
      base: bytes.base / mega,
      bundle: bytes.bundle / mega,
      executable: bytes.executable / mega,
      archive: bytes.archive / mega,
      seconds,
    },
    note: hasCodeCache ? "with code cache" : "without code cache: the same bytes each time",
  }));
  const columns = [
    { key: "base", heading: "Node MB", digits: 1 },
    { key: "bundle", heading: "bundle MB", digits: 2 },
    { key: "executable", heading: "executable MB", digits: 1 },
    { key: "archive", heading: ".tar.xz MB", digits: 1 },
    { key: "seconds", heading: "seconds", digits: 1 },
  ];
  return ["", ...renderTable(`fogbank ${version}`, columns, rows), ""];
}

function tell(text: string): void {
  process.stderr.write(`build: ${text}\n`);
}

function parseArguments(argv: readonly string[]): Options | number {
  const command = new Command("npm run build --")
    .description("builds the program as one file, for each kind of machine")
    .option("--arch <names>", `some of ${architectures.join(", ")}, with commas`, listOf(architectures), architectures)
    .option(
      "--without <parts>",
      `leave out some of ${optionalParts.join(", ")}, with commas`,
      listOf(optionalParts),
      [],
    )
    .option("--out <folder>", "where the files go", "dist")
    .option("--no-archive", "the executables only")
    .option("--no-code-cache", "slower to start, and the same bytes each time")
    .option("--no-install", "name missing programs instead of installing them (Debian, as root)")
    .exitOverride();
  return parseOptions(() => command.parse(argv).opts<Options>());
}
