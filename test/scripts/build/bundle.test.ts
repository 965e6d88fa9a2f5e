import { fileURLToPath } from "node:url";
import { build, type Metafile } from "esbuild";
import { expect, test } from "vitest";
import { bundleProgram } from "../../../scripts/build/bundle.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test("the bundle has the program of every worker thread, and is the same text each time", async () => {
  const first = await bundleProgram(root);
  expect([...first.workers.keys()].toSorted()).toEqual(["sql-worker.cjs", "store-worker.cjs"]);
  expect(first.inputs).toContain("agent/main.ts");
  expect(first.inputs).toContain("agent/store/sql-worker.ts");
  expect(await bundleProgram(root)).toEqual(first);
});

test("nothing in the bundle is asked for at run time but what Node itself has", async () => {
  const { main, workers } = await bundleProgram(root);
  const required = [main, ...workers.values()].flatMap((text) =>
    [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name = ""]) => name),
  );
  const foreign = required.filter((name) => process.getBuiltinModule(name) === undefined);
  // Their packages do without them: two add-ons for speed, and colours on a terminal.
  expect([...new Set(foreign)].toSorted()).toEqual(["bufferutil", "supports-color", "utf-8-validate"]);
});

test("a device starts without what only the cloud uses, and without the client of the uplink", async () => {
  const files = await startedWith("agent/main.ts");
  expect(files.length).toBeGreaterThan(100);
  expect(files.filter((file) => /^cloud\/|node_modules\/mqtt(?:-packet)?\//.test(file))).toEqual([]);
  expect((await startedWith("cloud/cloud.ts")).length).toBeGreaterThan(5); // the walk sees that folder when it gets there
});

/** All that is loaded before anything is done: imports, and theirs, but no `import()`. */
async function startedWith(entry: string): Promise<readonly string[]> {
  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    external: ["cbor-extract"],
    logLevel: "silent",
  });
  const seen = new Set<string>();
  const waiting = [entry];
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    if (seen.has(file)) continue;
    seen.add(file);
    waiting.push(...staticImports(metafile, file));
  }
  return [...seen];
}

function staticImports({ inputs }: Metafile, file: string): readonly string[] {
  const imports = inputs[file]?.imports ?? [];
  return imports.filter(({ kind, external }) => kind !== "dynamic-import" && external !== true).map(({ path }) => path);
}
