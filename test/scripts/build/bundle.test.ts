import { fileURLToPath } from "node:url";
import { build, type Metafile } from "esbuild";
import { expect, test } from "vitest";
import { bundleProgram } from "../../../scripts/build/bundle.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test("the bundle has the program of every worker thread and what is loaded apart, and is the same text each time", async () => {
  const first = await bundleProgram(root);
  expect([...first.others.keys()].toSorted()).toEqual(["mqtt-package.cjs", "sql-worker.cjs", "store-worker.cjs"]);
  expect(first.inputs).toContain("agent/main.ts");
  expect(first.inputs).toContain("agent/store/sql-worker.ts");
  expect(await bundleProgram(root)).toEqual(first);
});

test("nothing in the bundle is asked for at run time but what Node itself has", async () => {
  const { main, others } = await bundleProgram(root);
  const required = [main, ...others.values()].flatMap((text) =>
    [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name = ""]) => name),
  );
  const foreign = required.filter((name) => process.getBuiltinModule(name) === undefined);
  // Their packages do without them: two add-ons for speed, and colours on a terminal.
  expect([...new Set(foreign)].toSorted()).toEqual(["bufferutil", "supports-color", "utf-8-validate"]);
});

test("what is loaded apart is in its own script alone, and no module of ours is in it", async () => {
  const { main, others } = await bundleProgram(root);
  const mark = "node_modules/mqtt"; // esbuild names the modules of packages
  expect(others.get("mqtt-package.cjs")).toContain(mark);
  expect(main).not.toContain(mark);
  expect(others.get("mqtt-package.cjs")).not.toContain("FOGBANK_");
});

test("a device starts without what only the cloud uses, and without the packages for other programs and TLS", async () => {
  const files = await startedWith("agent/main.ts");
  expect(files.length).toBeGreaterThan(100);
  const unwanted = /^cloud\/|^node_modules\/(?:mqtt|mqtt-packet|ws|mongodb|bson)\/|^node:(?:tls|https|http2)$/;
  expect(files.filter((file) => unwanted.test(file))).toEqual([]);
  expect(files).toContain("node:net"); // those of Node are seen too
  expect((await startedWith("cloud/cloud.ts")).length).toBeGreaterThan(5); // the walk sees that folder when it gets there
});

/** All that is loaded before anything is done: imports, and theirs, but no `import()`; Node's own modules as `node:`. */
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
  return imports
    .filter(({ kind }) => kind !== "dynamic-import")
    .map(({ path, external }) => (external === true ? `node:${path.replace(/^node:/, "")}` : path));
}
