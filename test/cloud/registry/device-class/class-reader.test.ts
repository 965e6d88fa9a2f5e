import fc from "fast-check";
import { expect, test } from "vitest";
import type { ClassReader } from "#cloud/registry/device-class/class-reader.ts";
import { readXmlText } from "#cloud/registry/device-class/xml-text.ts";
import type { DeviceClass } from "#shared/registry/device-class.ts";
import { checkScalar } from "#shared/registry/value-rule.ts";
import { classOf, instanceOf, lightSchema, loadReader, schemaOf, strandSchema } from "./made-schema.ts";

const reader = await loadReader();
const utf8 = new TextEncoder();

function classIn(from: ClassReader, schema: string): DeviceClass {
  const read = from.read(schema);
  if ("reason" in read || read.type !== "schema") throw new Error(JSON.stringify(read));
  return read.deviceClass;
}

function problemOf(schema: string) {
  const read = reader.read(schema);
  return "reason" in read ? read : undefined;
}

test("[U12] [U14] a part of the documents is a class with its fields and types", () => {
  const int = {
    kind: "integer",
    least: { value: -2_147_483_648, isOut: false },
    most: { value: 2_147_483_647, isOut: false },
  };
  expect(classIn(reader, strandSchema)).toEqual({
    name: "neopixel-strand",
    fields: ["id", "pin", "length"].map((name) => ({ name, rule: int, least: 1, most: 1 })),
    commands: [],
  });
});

test("[U12] ranges, choices, lists, types with a name, and commands with their parameters", () => {
  const level = { kind: "integer", least: { value: 0, isOut: false }, most: { value: 255, isOut: false } };
  expect(classIn(reader, lightSchema)).toEqual({
    name: "light",
    fields: [
      { name: "state", rule: { kind: "string", choices: ["On", "Off"] }, least: 1, most: 1 },
      { name: "brightness", rule: level, least: 0, most: 1 },
      { name: "rgb", rule: level, least: 0, most: 3 },
    ],
    commands: [
      {
        name: "blink",
        parameters: [
          { name: "times", rule: { kind: "integer", least: { value: 1, isOut: false } }, least: 1, most: 1 },
        ],
      },
      { name: "reset", parameters: [] },
    ],
  });
});

test("[U14] [U-T7] [U-T9] an instance is told by its root element, and its values have the types of the class", () => {
  const light = classIn(reader, lightSchema);
  const text = instanceOf("light", "<state>On</state><brightness>007</brightness><rgb>7</rgb>");
  expect(reader.read(text)).toMatchObject({ type: "instance", className: "light" });
  expect(reader.readInstance(light, lightSchema, text)).toEqual({ values: { state: "On", brightness: 7, rgb: [7] } });
});

test("[U14] an instance that breaks its schema is refused, with line and reason", () => {
  const light = classIn(reader, lightSchema);
  const told = (content: string) => reader.readInstance(light, lightSchema, instanceOf("light", content));
  expect(told("\n<state>On</state>\n<brightness>256</brightness>")).toEqual({
    line: 3,
    reason: expect.stringContaining("'256'"),
  });
  expect(told("<brightness>1</brightness>")).toEqual({ line: 1, reason: expect.stringContaining("brightness") });
  expect(told("<state>On</state><colour>1</colour>")).toEqual({ line: 1, reason: expect.stringContaining("colour") });
  expect(reader.readInstance(light, lightSchema, "<light><state>On</state></light>")).toHaveProperty("reason");
});

test("[U14] what is no schema of one class is refused, with line and reason", () => {
  const field = '<xs:element name="a" type="xs:int"/>';
  const restricted = (base: string, facets: string) =>
    classOf(
      "x",
      `<xs:element name="a"><xs:simpleType><xs:restriction base="${base}">${facets}</xs:restriction></xs:simpleType></xs:element>`,
    );
  const wrong: Readonly<Record<string, string>> = {
    "no element": schemaOf(""),
    "second root element": schemaOf('<xs:element name="a"/>\n<xs:element name="b"/>'),
    "include in schema": schemaOf('<xs:include schemaLocation="file:///etc/passwd"/><xs:element name="a"/>'),
    "import in schema": schemaOf(
      '<xs:import namespace="urn:u" schemaLocation="http://127.0.0.1/x.xsd"/><xs:element name="a"/>',
    ),
    "there twice": classOf("x", field + field),
    "own name": classOf("x", '<xs:element name="x" type="xs:int"/>'),
    "is not supported": classOf("x", '<xs:element name="a" type="xs:dateTime"/>'),
    "attribute nillable": classOf("x", '<xs:element name="a" type="xs:int" nillable="true"/>'),
    "needs a type": classOf("x", '<xs:element name="a"/>'),
    "is not known": classOf("x", '<xs:element name="a" type="t:none"/>'),
    "any in sequence": classOf("x", "<xs:any/>"),
    "choice in sequence": classOf("x", "<xs:choice><xs:sequence/></xs:choice>"),
    "pattern is not supported": restricted("xs:string", '<xs:pattern value="(a+)+b"/>'),
    "needs a number": restricted("xs:int", '<xs:minInclusive value="low"/>'),
    "maxOccurs is a number": classOf("x", '<xs:element name="a" type="xs:int" maxOccurs="999999999"/>'),
    "above its maxOccurs": classOf("x", '<xs:element name="a" type="xs:int" minOccurs="2"/>'),
    "more than 200 fields": classOf(
      "x",
      Array.from({ length: 201 }, (_, at) => field.replace('"a"', `"a${at}"`)).join(""),
    ),
    "rests on itself": schemaOf(
      '<xs:simpleType name="a"><xs:restriction base="t:a"/></xs:simpleType><xs:element name="x"><xs:complexType><xs:sequence><xs:element name="f" type="t:a"/></xs:sequence></xs:complexType></xs:element>',
    ),
    // What only libxml2 knows.
    enumeration: restricted("xs:int", '<xs:enumeration value="red"/>'),
    "not a valid value": schemaOf('<xs:element name="not a name"/>'),
    "end of Start Tag": "<schema",
    "Failed to parse XML": "",
    Excessive: "<a>".repeat(300),
  };
  for (const [reason, schema] of Object.entries(wrong))
    expect([reason, problemOf(schema)]).toEqual([
      reason,
      { line: expect.any(Number), reason: expect.stringContaining(reason) },
    ]);
  expect(problemOf(schemaOf('<xs:element name="a"/>\n<xs:element name="b"/>'))?.line).toBe(4);
});

test("[U14] [U-T8] [U-S10] hostile files are refused before a parser sees them", () => {
  const problem = (bytes: Uint8Array | string) => readXmlText(typeof bytes === "string" ? utf8.encode(bytes) : bytes);
  const declared = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>';
  const doctype = expect.stringContaining("document type");
  expect(problem(declared)).toEqual({ line: 1, reason: doctype });
  expect(problem(`\uFEFF<?xml version="1.0"?>\n<!-- <a> -->\n${declared}`)).toEqual({ line: 3, reason: doctype });
  expect(problem("<!-- <!DOCTYPE a> --><a/>")).toEqual({ text: "<!-- <!DOCTYPE a> --><a/>" });
  expect(problem(new Uint8Array(262_145))).toEqual({ line: 0, reason: expect.stringContaining("longer than 262144") });
  expect(problem(Uint8Array.of(0xff, 0xfe, 0x3c, 0))).toEqual({ line: 0, reason: expect.stringContaining("UTF-8") });
});

test("[U-T8] an entity that nobody declared, or a document type in a later place, is a fault of the file", () => {
  expect(problemOf("<a>&x;</a>")).toHaveProperty("reason");
  expect(problemOf("<a><!DOCTYPE a></a>")).toHaveProperty("reason");
  expect(problemOf('<a/><!DOCTYPE a [<!ENTITY b "c">]>')).toHaveProperty("reason");
});

test("[U-T8] whatever the bytes, reading them ends with a class, an instance or a reason", () => {
  const pieces = fc.constantFrom("<a>", "</a>", "<!", "<!--", "-->", "<?", "?>", "&", "]]>", "\0", "xs:", '"', "é");
  const broken = fc
    .tuple(
      fc.nat(lightSchema.length),
      fc.constantFrom(0, 0, 1, 5, 60),
      fc.oneof(pieces, fc.constantFrom("", " ", "1", "\n")),
    )
    .map(([at, cut, piece]) => lightSchema.slice(0, at) + piece + lightSchema.slice(at + cut));
  const bytes = fc.oneof(
    broken.map((text) => utf8.encode(text)),
    fc.uint8Array(),
    fc.array(pieces).map((all) => utf8.encode(all.join(""))),
  );
  const outcomes = new Set<string>();
  fc.assert(
    fc.property(bytes, (given) => {
      const text = readXmlText(given);
      const outcome = "reason" in text ? text : reader.read(text.text);
      outcomes.add("reason" in outcome ? "reason" : outcome.type);
    }),
    { numRuns: 1_000 },
  );
  expect(outcomes).toContain("reason");
  expect(outcomes).toContain("schema");
});

// Close to each other, so that limits are hit.
const bound = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -300, max: 300 }));
const numberType = fc.constantFrom(
  "byte",
  "unsignedByte",
  "short",
  "int",
  "integer",
  "positiveInteger",
  "negativeInteger",
  "decimal",
  "double",
);
const facetOf = fc.constantFrom("minInclusive", "maxInclusive", "minExclusive", "maxExclusive");
const numeric = fc
  .tuple(numberType, fc.dictionary(facetOf, bound, { maxKeys: 2 }))
  .map(([base, facets]) => ({ base, facets }));
const lengths = fc.dictionary(fc.constantFrom("minLength", "maxLength"), fc.nat(4), { maxKeys: 2 });
const textual = fc.tuple(fc.constantFrom("string", "token"), lengths).map(([base, facets]) => ({ base, facets }));
const chosen = fc.record({
  base: fc.constantFrom("string", "token"),
  facets: fc.constant({}),
  choices: fc.constant(["On", "Off", "1"]),
});
const plain = fc.record({ base: fc.constant("boolean"), facets: fc.constant({}) });
const madeRule = fc.oneof(numeric, textual, chosen, plain);
const madeText = fc.oneof(
  fc.integer({ min: -4, max: 4 }).map(String),
  fc.integer({ min: -400, max: 400 }).map(String),
  fc.float({ noNaN: true, noDefaultInfinity: true, min: -400, max: 400 }).map(String),
  fc.constantFrom(
    "",
    " 7 ",
    "+7",
    "007",
    "-0",
    "1.0",
    ".5",
    "5.",
    "1e2",
    "0x10",
    "true",
    "false",
    "TRUE",
    "On",
    " On",
    "off",
    "𝄞𝄞",
    "a  b",
  ),
  fc.stringMatching(/^[-+.0-9e OnOf]{0,5}$/),
);

test("[U14] our check of a value agrees with libxml2", () => {
  let both = 0;
  let neither = 0;
  fc.assert(
    fc.property(madeRule, madeText, (made, text) => {
      const choices = "choices" in made ? made.choices : [];
      const facets = [
        ...Object.entries(made.facets).map(([name, limit]) => `<xs:${name} value="${String(limit)}"/>`),
        ...choices.map((one) => `<xs:enumeration value="${one}"/>`),
      ];
      const schema = classOf(
        "x",
        `<xs:element name="a"><xs:simpleType><xs:restriction base="xs:${made.base}">${facets.join("")}</xs:restriction></xs:simpleType></xs:element>`,
      );
      const read = reader.read(schema);
      if ("reason" in read || read.type !== "schema") return; // a range that is empty, or beyond its base
      const [field] = read.deviceClass.fields;
      if (field === undefined) throw new Error("the class has a field");
      const ours = "value" in checkScalar(field.rule, text);
      const theirs =
        "values" in reader.readInstance({ ...read.deviceClass, fields: [] }, schema, instanceOf("x", `<a>${text}</a>`));
      expect([text, made, ours]).toEqual([text, made, theirs]);
      if (ours) both++;
      else neither++;
    }),
    { numRuns: 1_500 },
  );
  expect(Math.min(both, neither)).toBeGreaterThan(100);
});
