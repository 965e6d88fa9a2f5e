import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  changedClasses,
  type ClassCatalogue,
  type ConfigFolder,
  emptyCatalogue,
  type FoundFile,
  newRefusals,
  nextCatalogue,
} from "#cloud/registry/device-class/class-catalogue.ts";
import { classOf, instanceOf, lightSchema, loadReader, strandSchema } from "./made-schema.ts";

const reader = await loadReader();

function file(folder: ConfigFolder, name: string, text: string): FoundFile {
  const hash = createHash("sha256").update(text).digest("hex");
  return { folder, name, path: `/${folder}/${name}`, hash, content: { text } };
}

const next = (before: ClassCatalogue, ...found: readonly FoundFile[]) => nextCatalogue(before, found, reader);
const first = (...found: readonly FoundFile[]) => next(emptyCatalogue, ...found);

/** Path of the file that each class is from. */
const classesIn = ({ classes }: ClassCatalogue) =>
  Object.fromEntries([...classes].map(([name, { file: from }]) => [name, from.path]));
const reasonsIn = ({ refused }: ClassCatalogue) =>
  Object.fromEntries([...refused].map(([path, { reason }]) => [path, reason]));

const strandWith = (fields: string) => classOf("strand", fields);
const pin = '<xs:element name="pin" type="xs:int"/>';

test("[U12] [U13] [U-S4] a file of the volatile folder wins over its namesake, and gives way when it goes", () => {
  const base = file("base", "strand.xml", strandWith(pin));
  const shadow = file("volatile", "strand.xml", strandWith(pin + pin.replace("pin", "length")));
  const other = file("volatile", "other.xml", lightSchema);
  const one = first(base, other);
  expect(classesIn(one)).toEqual({ strand: "/base/strand.xml", light: "/volatile/other.xml" });
  const two = next(one, base, shadow, other);
  expect(classesIn(two)).toEqual({ strand: "/volatile/strand.xml", light: "/volatile/other.xml" });
  expect(changedClasses(one, two)).toEqual(["strand"]);
  const three = next(two, base, other);
  expect(classesIn(three)).toEqual(classesIn(one));
  expect(classesIn(next(three))).toEqual({});
});

test("[U13] [U-S4] an invalid version is told once, and the last valid one stays until the next valid one, or the file goes", () => {
  const good = file("volatile", "strand.xml", strandWith(pin));
  const bad = file("volatile", "strand.xml", "<xs:schema");
  const one = first(good);
  const two = next(one, bad);
  expect(two.classes.get("strand")?.file).toBe(good);
  expect(newRefusals(one, two)).toMatchObject([{ path: "/volatile/strand.xml", line: 1, hasSubstitute: true }]);
  const three = next(two, bad);
  expect(newRefusals(two, three)).toEqual([]);
  expect(three.classes.get("strand")?.file).toBe(good);
  const better = file("volatile", "strand.xml", strandWith(""));
  const four = next(three, better);
  expect([four.classes.get("strand")?.deviceClass.fields, four.refused.size]).toEqual([[], 0]);
  expect(classesIn(next(three))).toEqual({});
  expect(first(bad).refused.get(bad.path)?.hasSubstitute).toBe(false);
});

test("[U13] a broken volatile file does not hide its namesake that is valid", () => {
  const base = file("base", "strand.xml", strandWith(pin));
  const broken = file("volatile", "strand.xml", "<a");
  expect(classesIn(first(base, broken))).toEqual({ strand: "/base/strand.xml" });
  // But its own last valid version is nearer.
  const shadowed = first(base, file("volatile", "strand.xml", strandWith("")));
  expect(classesIn(next(shadowed, base, broken))).toEqual({ strand: "/volatile/strand.xml" });
});

test("[U13] a class that two files define stays with the file that had it", () => {
  const b = file("base", "b.xml", strandWith(pin));
  const a = file("base", "a.xml", strandWith(""));
  const one = next(first(b), a, b);
  expect(classesIn(one)).toEqual({ strand: "/base/b.xml" });
  expect(reasonsIn(one)).toEqual({ "/base/a.xml": "the class strand is defined in /base/b.xml already" });
  expect(classesIn(first(a, b))).toEqual({ strand: "/base/a.xml" });
  expect(classesIn(next(one, a))).toEqual({ strand: "/base/a.xml" });
});

test("[U14] instances are checked by the class that is in force, and again when it changes", () => {
  const schema = file("base", "schema.xml", strandSchema);
  const device = file(
    "volatile",
    "hall.xml",
    instanceOf("neopixel-strand", "<id>1</id><pin>6</pin><length>60</length>"),
  );
  const one = first(schema, device);
  expect(one.instances.get("hall.xml")).toMatchObject({
    className: "neopixel-strand",
    values: { id: 1, pin: 6, length: 60 },
  });
  const narrower = file(
    "base",
    "schema.xml",
    strandSchema.replace('"length" type="xs:int"', '"length" type="xs:negativeInteger"'),
  );
  const two = next(one, narrower, device);
  expect(reasonsIn(two)).toEqual({ "/volatile/hall.xml": expect.stringContaining("'60'") });
  expect(two.instances.get("hall.xml")?.values).toEqual({ id: 1, pin: 6, length: 60 }); // the last valid one stays
  const three = next(two, device);
  expect([three.instances.size, reasonsIn(three)]).toEqual([
    0,
    { "/volatile/hall.xml": "there is no class neopixel-strand" },
  ]);
});

test("[U13] a file that cannot be read leaves its last version in force", () => {
  const good = file("base", "strand.xml", strandWith(pin));
  const gone: FoundFile = { ...good, hash: "none", content: { line: 0, reason: "the file cannot be read: EIO" } };
  const one = next(first(good), gone);
  expect([classesIn(one), reasonsIn(one)]).toEqual([
    { strand: "/base/strand.xml" },
    { "/base/strand.xml": "the file cannot be read: EIO" },
  ]);
});

test("[U13] whatever happens to the files: what is in force was valid in a file that is still there", () => {
  const texts = [strandWith(pin), strandWith(""), classOf("lamp", pin), "<a", instanceOf("strand", "<pin>1</pin>")];
  const name = fc.constantFrom("a.xml", "b.xml");
  const folder = fc.constantFrom<ConfigFolder>("base", "volatile");
  const look = fc.uniqueArray(fc.tuple(folder, name, fc.constantFrom(...texts)), {
    selector: ([where, what]) => `${where}/${what}`,
    maxLength: 4,
  });
  fc.assert(
    fc.property(fc.array(look, { maxLength: 5 }), (looks) => {
      let catalogue = emptyCatalogue;
      for (const found of looks) {
        const files = found
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([where, what, content]) => file(where, what, content));
        catalogue = next(catalogue, ...files);
        const paths = files.map(({ path }) => path);
        for (const { file: from } of [...catalogue.classes.values(), ...catalogue.instances.values()])
          expect(paths).toContain(from.path);
        // Every file that is there is in force, or shadowed by its namesake, or refused.
        const names = new Set(
          [...catalogue.classes.values(), ...catalogue.instances.values()].map((one) => one.file.name),
        );
        for (const { path, name: own } of files)
          expect(names.has(own) || catalogue.refused.has(path) || isShadowed(files, own)).toBe(true);
      }
    }),
    { numRuns: 200 },
  );
});

function isShadowed(files: readonly FoundFile[], name: string): boolean {
  return files.filter((one) => one.name === name).length > 1;
}
