import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";
import { loadXmlLibrary, type XmlLibrary } from "#cloud/registry/device-class/xml-library.ts";
import { classOf, instanceOf } from "./made-schema.ts";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const schema = classOf("x", '<xs:element name="a" type="xs:int"/>');

/** As a single binary has it: one ES module that finds nothing beside it. */
async function bundledLibrary(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [join(root, "node_modules/libxml2-wasm/lib/index.mjs")],
    bundle: true,
    write: false,
    platform: "node",
    target: "node24",
    format: "esm",
    define: { "import.meta.url": '"file:///fogbank"' },
    logLevel: "silent",
  });
  return outputFiles[0]?.text ?? "";
}

function check(xml: XmlLibrary): void {
  expect(xml.parse("<a>\n<b c='1'>2</b></a>")).toMatchObject({
    root: {
      name: "a",
      line: 1,
      children: [{ name: "b", line: 2, text: "2", attributes: [{ name: "c", value: "1" }] }],
    },
  });
  expect(xml.schemaProblem(schema)).toBeUndefined();
  expect(xml.instanceProblem(schema, instanceOf("x", "<a>1</a>"))).toBeUndefined();
  expect(xml.instanceProblem(schema, instanceOf("x", "\n<a>one</a>"))).toEqual({
    line: 2,
    reason: expect.stringContaining("'one'"),
  });
}

test("[U14] the library of a checkout, loaded from its package", async () => {
  check(await loadXmlLibrary(() => undefined));
});

test("[U14] the library of a single binary, loaded from the text that is inside", async () => {
  const program = await bundledLibrary();
  const asked: string[] = [];
  check(await loadXmlLibrary((name) => (asked.push(name), program)));
  expect(asked).toEqual(["libxml2-wasm.mjs"]);
});

test("[U14] [U-T8] [U-S10] hundreds of large files, hostile ones among them, leave no memory behind", async () => {
  const xml = await loadXmlLibrary(() => undefined);
  const hostile = ["<a>".repeat(300), `<a b="${"x".repeat(200_000)}`, `<a>${"x".repeat(200_000)}&b;</a>`];
  const large = schema.replace(
    "<xs:element",
    `<xs:annotation><xs:documentation>${"x".repeat(200_000)}</xs:documentation></xs:annotation><xs:element`,
  );
  const work = (): void => {
    for (const text of hostile) expect(xml.parse(text)).toHaveProperty("reason");
    expect(xml.parse(large)).toHaveProperty("root");
    expect(xml.schemaProblem(large)).toBeUndefined();
    expect(xml.instanceProblem(large, instanceOf("x", `<a>1</a><!-- ${"x".repeat(200_000)} -->`))).toBeUndefined();
  };
  for (let round = 0; round < 30; round++) work();
  const before = process.memoryUsage().rss;
  for (let round = 0; round < 400; round++) work();
  // One that stays of each round would be 80 MB.
  expect(process.memoryUsage().rss - before).toBeLessThan(50_000_000);
});
