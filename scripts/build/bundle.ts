// The program as text: one script for the main thread, one for each worker thread that it starts, and one for each part that is
// loaded apart.
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { build } from "esbuild";
import { apartPackagesIn, isApart, setApart } from "./apart-packages.ts";
import { leaveOut, type OptionalPart } from "./optional-parts.ts";

export interface Bundle {
  readonly main: string;
  /** By the names under which `agent/system/worker-entry.ts` and `apart.ts` ask for them. */
  readonly others: ReadonlyMap<string, string>;
  /** Files that are in any of them, relative to the checkout. */
  readonly inputs: readonly string[];
}

interface Script {
  readonly text: string;
  readonly inputs: readonly string[];
}

const mainFile = "agent/main.ts";
const scriptCall = /\b(?:startWorker|loadApart(?:<[^>]+>)?)\(\s*new URL\("(\.[^"]+\.ts)", import\.meta\.url\)/g;

/** `root`: the checkout. The texts depend on nothing but its files, and on what is left out. */
export async function bundleProgram(root: string, without: readonly OptionalPart[] = []): Promise<Bundle> {
  const main = await bundleScript(root, mainFile, without);
  const scripts = new Map<string, Script>();
  const waiting = otherScriptsOf(root, main);
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    if (scripts.has(file)) continue;
    const script = await bundleScript(root, file, without);
    scripts.set(file, script);
    waiting.push(...otherScriptsOf(root, script));
  }
  for (const name of apartPackagesIn([main, ...scripts.values()].flatMap(({ inputs }) => inputs)))
    scripts.set(name, await bundleScript(root, name, without));
  const others = new Map([...scripts].map(([file, { text }]) => [`${basename(file, ".ts")}.cjs`, text]));
  if (others.size < scripts.size) throw new Error(`two of these have the same name: ${[...scripts.keys()].join()}`);
  const inputs = new Set([main, ...scripts.values()].flatMap((script) => script.inputs));
  return { main: main.text, others, inputs: [...inputs].filter((file) => !isApart(file)).toSorted() };
}

async function bundleScript(root: string, file: string, without: readonly OptionalPart[]): Promise<Script> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [file],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    target: "node24",
    // A single executable starts with a script; only such a one can have a code cache.
    format: "cjs",
    // Names stay as they are: a stack trace from a gateway can be read, and errors keep the names of their classes.
    minifyWhitespace: true,
    minifySyntax: true,
    mainFields: ["module", "main"],
    legalComments: "none", // NOTICES has the whole texts
    external: ["cbor-extract"],
    plugins: [leaveOut(root, without), setApart(root)],
    define: { "import.meta.url": "importMetaUrl" },
    banner: { js: 'const importMetaUrl=require("node:url").pathToFileURL(__filename).href;' },
    logLevel: "warning",
  });
  const [output] = outputFiles;
  if (output === undefined) throw new Error(`esbuild made nothing of ${file}`);
  return { text: output.text, inputs: Object.keys(metafile.inputs) };
}

/** What one of its files starts in a thread or loads apart, relative to the checkout. */
function otherScriptsOf(root: string, { inputs }: Script): string[] {
  return inputs
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) =>
      [...readFileSync(join(root, file), "utf8").matchAll(scriptCall)].map(([, path = ""]) =>
        join(dirname(file), path),
      ),
    );
}
