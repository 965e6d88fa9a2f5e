// Reads configuration text in libconfig syntax, with bare words (FORMAT.md is the grammar).
// Whatever the text holds, the outcome is settings with positions or one FOGBANK_CONFIG_SYNTAX.
import { libconfigLimits } from "./bounds.ts";
import { formatPosition, type Position, quoteBriefly, syntaxError } from "./position.ts";
import type { Scalar, Setting, Value } from "./setting.ts";
import { describeToken, type Punctuation, Tokenizer } from "./tokenizer.ts";

/** Text of an included file. `path` is already resolved against `fromFile`. Throws when there is none. */
export type LoadInclude = (path: string, fromFile: string) => string;

interface Source {
  readonly tokens: Tokenizer;
  readonly load: LoadInclude | undefined;
  /** Files being read, the outermost first. */
  readonly files: readonly string[];
  /** Shared by all files of one text. */
  readonly total: { includes: number };
}

/** The settings of a whole text. Without `load`, an `@include` is an error. */
export function parseConfig(text: string, file: string, load?: LoadInclude): readonly Setting[] {
  const source = { tokens: new Tokenizer(text, file), load, files: [resolveInclude(file, "")], total: { includes: 0 } };
  const settings = new Map<string, Setting>();
  readSettings(source, settings, "end", 0);
  return [...settings.values()];
}

/** One value that stands alone, as in an environment variable called `file`. */
export function parseValue(text: string, file: string): Value {
  const tokens = new Tokenizer(text, file);
  const value = readValue({ tokens, load: undefined, files: [file], total: { includes: 0 } }, 0);
  const rest = tokens.take();
  if (rest.type !== "end") throw syntaxError(rest.at, "nothing after the value", describeToken(rest));
  return value;
}

/** `path` as seen from the folder of `fromFile`, without `.` and `..` where they can be resolved. */
export function resolveInclude(path: string, fromFile: string): string {
  const folder = fromFile.slice(0, fromFile.lastIndexOf("/") + 1);
  const joined = path.startsWith("/") ? path : folder + path;
  const parts: string[] = [];
  for (const part of joined.split("/")) {
    if (part === "" || part === ".") continue;
    const isUp = part === ".." && parts.length > 0 && parts.at(-1) !== "..";
    if (isUp) parts.pop();
    else if (part !== ".." || !joined.startsWith("/")) parts.push(part);
  }
  return (joined.startsWith("/") ? "/" : "") + parts.join("/");
}

/** Reads into `settings` up to and with the token `close`. */
function readSettings(source: Source, settings: Map<string, Setting>, close: "}" | "end", depth: number): void {
  for (;;) {
    const token = source.tokens.take();
    if (token.type === close) return;
    if (token.type === "include") {
      readInclude(source, settings, token.at, depth);
      continue;
    }
    if (token.type !== "name") {
      throw syntaxError(
        token.at,
        close === "end" ? "the name of a setting" : 'the name of a setting or "}"',
        describeToken(token),
      );
    }
    const earlier = settings.get(token.text);
    if (earlier !== undefined) {
      const found = `${quoteBriefly(token.text)} again, first set at ${formatPosition(earlier.at)}`;
      throw syntaxError(token.at, "each name once in a group", found);
    }
    const assign = source.tokens.take();
    if (assign.type !== "=" && assign.type !== ":") {
      throw syntaxError(assign.at, `"=" or ":" after ${quoteBriefly(token.text)}`, describeToken(assign));
    }
    settings.set(token.text, { name: token.text, value: readValue(source, depth), at: token.at });
    const separator = source.tokens.peek().type;
    if (separator === ";" || separator === ",") source.tokens.take();
  }
}

function readInclude(source: Source, settings: Map<string, Setting>, at: Position, depth: number): void {
  const name = source.tokens.take();
  if (name.type !== "string")
    throw syntaxError(name.at, "the name of a file in quotes after @include", describeToken(name));
  if (source.load === undefined) throw syntaxError(at, "no @include here", "one");
  const path = resolveInclude(name.value, source.tokens.file);
  if (source.files.includes(path)) {
    const chain = [...source.files, path].join(" -> ");
    throw syntaxError(at, "files that do not include each other in a circle", chain);
  }
  source.total.includes += 1;
  if (source.files.length > libconfigLimits.includeDepth || source.total.includes > libconfigLimits.includes) {
    const expected = `at most ${libconfigLimits.includeDepth} files in a row and ${libconfigLimits.includes} altogether`;
    throw syntaxError(at, expected, "one more @include");
  }
  const text = loadText(source.load, path, source.tokens.file, at);
  const included = { ...source, tokens: new Tokenizer(text, path), files: [...source.files, path] };
  readSettings(included, settings, "end", depth);
}

function loadText(load: LoadInclude, path: string, fromFile: string, at: Position): string {
  try {
    return load(path, fromFile);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : "an unknown failure";
    throw syntaxError(at, `to read the included file "${path}"`, reason, { cause });
  }
}

function readValue(source: Source, depth: number): Value {
  const token = source.tokens.take();
  switch (token.type) {
    case "string":
      return { type: "string", value: token.value + readAdjacentStrings(source.tokens), at: token.at };
    case "integer":
    case "float":
      return token;
    case "name": {
      const next = source.tokens.peek();
      if (next.type === "=" || next.type === ":")
        throw syntaxError(token.at, "a value", `the setting ${quoteBriefly(token.text)}`);
      return readWord(token.text, token.at);
    }
    case "{": {
      const settings = new Map<string, Setting>();
      readSettings(source, settings, "}", deeper(depth, token.at));
      return { type: "group", settings: [...settings.values()], at: token.at };
    }
    case "(":
      return { type: "list", items: readItems(source, ")", deeper(depth, token.at)), at: token.at };
    case "[":
      return { type: "array", items: checkArray(readItems(source, "]", deeper(depth, token.at))), at: token.at };
    case "}":
    case ")":
    case "]":
    case "=":
    case ":":
    case ";":
    case ",":
    case "include":
    case "end":
      throw syntaxError(token.at, "a value", describeToken(token));
  }
}

/** A word without quotes: a boolean, or a string as it stands. */
function readWord(text: string, at: Position): Scalar {
  switch (text.toLowerCase()) {
    case "true":
    case "yes":
    case "on":
      return { type: "boolean", value: true, at };
    case "false":
    case "no":
    case "off":
      return { type: "boolean", value: false, at };
    default:
      return { type: "string", value: text, at };
  }
}

function readAdjacentStrings(tokens: Tokenizer): string {
  const parts: string[] = [];
  for (let next = tokens.peek(); next.type === "string"; next = tokens.peek()) {
    parts.push(next.value);
    tokens.take();
  }
  return parts.join("");
}

/** Items up to and with `close`; a comma may stand behind the last one. */
function readItems(source: Source, close: Punctuation, depth: number): Value[] {
  const items: Value[] = [];
  while (source.tokens.peek().type !== close) {
    items.push(readValue(source, depth));
    const next = source.tokens.peek();
    if (next.type === ",") source.tokens.take();
    else if (next.type !== close) throw syntaxError(next.at, `"," or "${close}"`, describeToken(next));
  }
  source.tokens.take();
  return items;
}

function checkArray(items: readonly Value[]): readonly Scalar[] {
  return items.map((item) => {
    if (item.type === "group" || item.type === "list" || item.type === "array") {
      throw syntaxError(item.at, "a scalar in an array, or ( ) around a list", `a ${item.type}`);
    }
    const first = items[0]?.type ?? item.type;
    if (item.type === first) return item;
    const found = `${item.type} after ${first}`;
    throw syntaxError(item.at, "scalars of one type in an array, or ( ) around a list", found);
  });
}

function deeper(depth: number, at: Position): number {
  if (depth < libconfigLimits.depth) return depth + 1;
  throw syntaxError(at, `at most ${libconfigLimits.depth} levels of nesting`, "one more");
}
