import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Metafile } from "esbuild";
import { expect, test } from "vitest";
import { openSqlDatabase } from "#agent/store/sql-database.ts";
import { nodeHasher } from "#agent/system/node-hasher.ts";
import { bundleProgram } from "../../../scripts/build/bundle.ts";
import { leaveOut } from "../../../scripts/build/optional-parts.ts";
import { silentLogger } from "../../fakes/silent-logger.ts";

const root = fileURLToPath(new URL("../../..", import.meta.url));

test("the bundle has the program of every worker thread and what is loaded apart, and is the same text each time", async () => {
  const first = await bundleProgram(root);
  expect([...first.others.keys()].toSorted()).toEqual([
    "mongodb.cjs",
    "mqtt-package.cjs",
    "sql-worker.cjs",
    "store-worker.cjs",
  ]);
  expect(first.inputs).toContain("agent/main.ts");
  expect(first.inputs).toContain("agent/store/sql-worker.ts");
  expect(await bundleProgram(root)).toEqual(first);
});

test("the line of `deno compile` includes what is not found by its imports", async () => {
  const { others } = await bundleProgram(root);
  const guide = readFileSync(join(root, "docs/deno.md"), "utf8");
  const included = [...guide.matchAll(/--include (\S+)\.ts/g)].map(([, file = ""]) => `${basename(file)}.cjs`);
  // Packages are set apart by our build alone: Deno finds them by their imports.
  const byUrl = [...others.keys()].filter((name) => name !== "mongodb.cjs");
  expect(included.toSorted()).toEqual(byUrl.toSorted());
});

test("nothing in the bundle is asked for at run time but what Node itself has", async () => {
  const { main, others } = await bundleProgram(root);
  const required = [main, ...others.values()].flatMap((text) =>
    [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name = ""]) => name),
  );
  const foreign = required.filter((name) => process.getBuiltinModule(name) === undefined);
  // Their packages do without them: two add-ons for speed, colours on a terminal, and what MongoDB's driver has for those who want it.
  const ofMongodb = ["@aws-sdk/credential-providers", "@mongodb-js/zstd", "gcp-metadata", "kerberos"];
  const ofOthers = ["bufferutil", "mongodb-client-encryption", "snappy", "supports-color", "utf-8-validate"];
  expect([...new Set(foreign)].toSorted()).toEqual([...ofMongodb, ...ofOthers].toSorted());
});

test("what is loaded apart is in its own script alone, and no module of ours is in it", async () => {
  const { main, others } = await bundleProgram(root);
  const mark = "node_modules/mqtt"; // esbuild names the modules of packages
  expect(others.get("mqtt-package.cjs")).toContain(mark);
  expect(main).not.toContain(mark);
  expect(others.get("mqtt-package.cjs")).not.toContain("FOGBANK_");
  const word = "MongoServerSelectionError"; // of the driver
  expect([others.get("mongodb.cjs")?.includes(word), main.includes(word)]).toEqual([true, false]);
  expect(others.get("mongodb.cjs")).not.toContain("FOGBANK_");
});

test("a device starts without what only the cloud uses, and without the packages for other programs and TLS", async () => {
  const files = await startedWith("agent/main.ts");
  expect(files.length).toBeGreaterThan(100);
  const unwanted = /^cloud\/|^node_modules\/(?:mqtt|mqtt-packet|ws|mongodb|bson)\/|^node:(?:tls|https|http2)$/;
  expect(files.filter((file) => unwanted.test(file))).toEqual([]);
  expect(files).toContain("node:net"); // those of Node are seen too
  expect((await startedWith("cloud/cloud.ts")).length).toBeGreaterThan(5); // the walk sees that folder when it gets there
});

test("[U7] a cloud on SQLite starts without MongoDB's driver", async () => {
  const files = await startedWith("cloud/cloud.ts");
  expect(files.filter((file) => /mongodb-(?!settings)|\/bson\//.test(file))).toEqual([]);
  expect(await startedWith("cloud/storage/mongodb/mongodb-store.ts")).toContain("node_modules/mongodb/lib/index.js");
});

test("[U19] a build without MongoDB has neither its driver nor the code that uses it", async () => {
  const ofMongodb = (inputs: readonly string[]) =>
    inputs.filter((file) => /^node_modules\/(?:mongodb|bson)|^cloud\/storage\/mongodb\//.test(file));
  expect(ofMongodb((await bundleProgram(root)).inputs).length).toBeGreaterThan(10);
  const { inputs, main, others } = await bundleProgram(root, ["mongodb"]);
  expect(ofMongodb(inputs)).toEqual(["cloud/storage/mongodb/mongodb-store.ts"]); // in its place stands what says so
  expect([...others.keys()]).not.toContain("mongodb.cjs");
  expect(inputs).toContain("cloud/storage/sqlite-store.ts");
  expect(main).toContain("this build has no MongoDB");
});

test("a build for devices and fogs has nothing of the cloud, and no driver of a database server", async () => {
  const { inputs } = await bundleProgram(root, ["cloud"]);
  expect(inputs.filter((file) => /^cloud\/|node_modules\/(?:mongodb|bson)/.test(file))).toEqual(["cloud/cloud.ts"]);
});

test("[U19] a build without MongoDB keeps documents in SQLite, and says what it lacks when it is asked for", async () => {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: ["cloud/cloud.ts"],
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    external: ["cbor-extract"],
    define: { require: "undefined" },
    plugins: [leaveOut(root, ["mongodb"])],
    logLevel: "silent",
  });
  const text = Buffer.from(outputFiles[0]?.contents ?? []).toString("base64");
  const { startCloud } = (await import(`data:text/javascript;base64,${text}`)) as typeof import("#cloud/cloud.ts");
  const deps = { openSqlDatabase, dataDir: tmpdir(), hasher: nodeHasher, log: silentLogger(), drawInstance: () => 1 };
  const mongodb = { url: "mongodb://127.0.0.1:1", database: "x", owner: "cloud-1" };
  await expect(startCloud({ ...deps, mongodb })).rejects.toMatchObject({
    code: "FOGBANK_CONFIG_INVALID",
    message: "documents.url: this build has no MongoDB",
  });
  await using cloud = await startCloud({
    ...deps,
    openSqlDatabase: (_, migrations) => openSqlDatabase(":memory:", migrations),
  });
  expect(await cloud.documents.lastArrival()).toBe(0);
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
