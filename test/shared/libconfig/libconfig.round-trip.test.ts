import fc from "fast-check";
import { expect, test } from "vitest";
import { FogbankError } from "#shared/errors.ts";
import { formatConfig, formatValue } from "#shared/libconfig/format.ts";
import { parseConfig, parseValue } from "#shared/libconfig/libconfig.ts";
import {
  fromPlain,
  type PlainValue,
  type Scalar,
  type Setting,
  toPlain,
  type Value,
} from "#shared/libconfig/setting.ts";

const at = { file: "made", line: 1, column: 1 };
const name = fc.stringMatching(/^[A-Za-z*][A-Za-z0-9_*-]{0,8}$/);
const string = fc.string({ unit: "binary" }).map((value): Scalar => ({ type: "string", value, at }));
const boolean = fc.boolean().map((value): Scalar => ({ type: "boolean", value, at }));
const float = fc
  .double({ noNaN: true, noDefaultInfinity: true })
  .map((value): Scalar => ({ type: "float", value, at }));
const integer = fc.oneof(fc.integer(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })).map((value): Scalar => ({
  type: "integer",
  value: Number.isSafeInteger(Number(value)) ? Number(value) : value,
  at,
}));

const { value: anyValue } = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(string, boolean, float, integer),
    fc
      .oneof(...[string, boolean, float, integer].map((scalar) => fc.array(scalar, { maxLength: 4 })))
      .map((items): Value => ({ type: "array", items, at })),
    fc.array(tie("value"), { maxLength: 4 }).map((items): Value => ({ type: "list", items, at })),
    fc.uniqueArray(fc.tuple(name, tie("value")), { maxLength: 4, selector: ([key]) => key }).map((pairs): Value => ({
      type: "group",
      settings: pairs.map(([key, value]) => ({ name: key, value, at })),
      at,
    })),
  ),
}));
const anySettings = fc
  .uniqueArray(fc.tuple(name, anyValue), { maxLength: 5, selector: ([key]) => key })
  .map((pairs) => pairs.map(([key, value]): Setting => ({ name: key, value, at })));

/** The same settings, all at one place. */
function placed(value: Value): Value {
  if (value.type === "group") return { ...value, settings: placedSettings(value.settings), at };
  if (value.type === "list") return { ...value, items: value.items.map(placed), at };
  if (value.type === "array") return { ...value, items: value.items.map((item) => ({ ...item, at })), at };
  return { ...value, at };
}

function placedSettings(settings: readonly Setting[]): Setting[] {
  return settings.map((setting) => ({ name: setting.name, value: placed(setting.value), at }));
}

test("[U15] what is printed reads back as the same settings", () => {
  fc.assert(
    fc.property(anySettings, (settings) => {
      expect(placedSettings(parseConfig(formatConfig(settings), "made"))).toEqual(settings);
    }),
  );
});

test("[U15] a value on one line reads back as the same value", () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const text = formatValue(value);
      expect(text).not.toContain("\n");
      expect(placed(parseValue(text, "made"))).toEqual(value);
    }),
  );
});

test("[U15] a plain value survives becoming text", () => {
  const plain: PlainValue = { a: [1, "two", true, 2.5, 2n ** 60n, { b: [] }], c: "" };
  expect(toPlain(parseValue(formatValue(fromPlain(plain, at)), "made"))).toEqual(plain);
});

test("[U15] printed text is laid out for reading, and for other readers of libconfig", () => {
  const text = "a = fog b = { } c = 4294967296 d = 2. e = ( 1, { f = [ x ] } )";
  expect(formatConfig(parseConfig(text, "made"))).toBe(
    'a = "fog";\nb:\n{\n};\nc = 4294967296L;\nd = 2.0;\ne = ( 1, { f = [ "x" ]; } );\n',
  );
});

test("[U15] every character and the negative zero survive", () => {
  const characters = String.fromCharCode(...Array.from({ length: 0x180 }, (_, code) => code), 0xd800, 0x2028);
  expect(toPlain(parseValue(formatValue({ type: "string", value: characters, at }), "made"))).toBe(characters);
  expect(toPlain(parseValue(formatValue({ type: "float", value: -0, at }), "made"))).toBe(-0);
});

test("[U15] any text gives settings or the typed error", () => {
  const soup = fc
    .array(
      fc.constantFrom(
        ...'a b yes = : ; , { } ( ) [ ] 1 -2.5 0x1F 5L "s" "\\x41" @include # // /* */ \n " \\ . - + é 1e9'.split(" "),
      ),
      { maxLength: 40 },
    )
    .map((tokens) => tokens.join(" "));
  const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => new TextDecoder().decode(array));
  fc.assert(
    fc.property(fc.oneof(soup, bytes, fc.string({ unit: "binary" })), (text) => {
      expect(outcome(text)).toMatch(/^(?:settings$|x\.conf:\d+:\d+: expected .+, found )/s);
    }),
    { numRuns: 2_000 },
  );
});

function outcome(text: string): string {
  try {
    parseConfig(text, "x.conf", () => "");
    return "settings";
  } catch (error) {
    if (error instanceof FogbankError && error.code === "FOGBANK_CONFIG_SYNTAX") return error.message;
    throw error;
  }
}
