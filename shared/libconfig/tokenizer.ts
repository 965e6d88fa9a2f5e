// Cuts a configuration text into tokens, one at a time, so that the first fault in the text is the one reported.
import { libconfigLimits } from "./bounds.ts";
import { type Position, quoteBriefly, syntaxError } from "./position.ts";
import { readString } from "./quoted.ts";

export type Punctuation = "{" | "}" | "(" | ")" | "[" | "]" | "=" | ":" | ";" | ",";

export type Token =
  | { readonly type: "name"; readonly text: string; readonly at: Position }
  | { readonly type: "string"; readonly value: string; readonly at: Position }
  | { readonly type: "integer"; readonly value: number | bigint; readonly at: Position }
  | { readonly type: "float"; readonly value: number; readonly at: Position }
  | { readonly type: Punctuation; readonly at: Position }
  | { readonly type: "include"; readonly at: Position }
  | { readonly type: "end"; readonly at: Position };

const blankPattern = /(?:[ \t\r\n\f\v]|#[^\n]*|\/\/[^\n]*)+/y;
const namePattern = /[A-Za-z*][A-Za-z0-9_*-]*/y;
const numberPattern = /[-+]?(?:0[xX][0-9A-Fa-f]+|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)L{0,2}/y;
const wordPattern = /[A-Za-z0-9_*.+-]*/y;
const includePattern = /@include(?![A-Za-z0-9_*-])/y;

const integerPattern = /^([-+]?)(0[xX][0-9A-Fa-f]+|0|[1-9][0-9]*)L{0,2}$/;
const integerMax = 2n ** 63n - 1n;
/** Any 64-bit integer fits; a longer text is out of range without being computed. */
const integerCharsMax = 24;

/** Tokens of one file. After the last one, `take` gives "end" for ever. */
export class Tokenizer {
  readonly file: string;
  readonly #text: string;
  readonly #lineStarts: readonly number[];
  readonly #ahead: Token[] = [];
  #offset: number;
  /** Index into the line starts: positions are asked for in ascending order, but for a few steps back. */
  #line = 0;

  constructor(text: string, file: string) {
    this.file = file;
    this.#text = text;
    this.#lineStarts = lineStartsOf(text);
    this.#offset = text.startsWith("\uFEFF") ? 1 : 0;
    if (text.length > libconfigLimits.fileChars) {
      const expected = `a text of at most ${libconfigLimits.fileChars} characters`;
      throw syntaxError(this.#position(0), expected, `${text.length}`);
    }
  }

  /** The next token, or the one after it, without taking it. */
  peek(distance: 0 | 1 = 0): Token {
    for (;;) {
      const token = this.#ahead[distance];
      if (token !== undefined) return token;
      this.#ahead.push(this.#read());
    }
  }

  take(): Token {
    return this.#ahead.shift() ?? this.#read();
  }

  #read(): Token {
    this.#skipBlanks();
    const at = this.#position(this.#offset);
    const char = this.#text[this.#offset];
    if (char === undefined) return { type: "end", at };
    if (isPunctuation(char)) {
      this.#offset += 1;
      return { type: char, at };
    }
    if (char === '"') {
      const { value, endOffset } = readString(this.#text, this.#offset, (offset) => this.#position(offset));
      this.#offset = endOffset;
      return { type: "string", value, at };
    }
    if (this.#match(includePattern) !== undefined) return { type: "include", at };
    const name = this.#match(namePattern);
    if (name !== undefined) return { type: "name", text: name, at };
    return this.#readNumber(at, char);
  }

  #readNumber(at: Position, char: string): Token {
    const startOffset = this.#offset;
    const text = this.#match(numberPattern);
    const rest = this.#match(wordPattern) ?? "";
    if (text === undefined)
      throw syntaxError(at, "a setting or a value", rest === "" ? describeChar(char) : quoteBriefly(rest));
    const whole = this.#text.slice(startOffset, this.#offset);
    const [, sign, digits] = integerPattern.exec(whole) ?? [];
    if (digits === undefined) return readFloat(whole, at);
    const isHex = /^0[xX]/.test(digits);
    if (isHex && sign !== "") throw syntaxError(at, "a hexadecimal number without a sign", quoteBriefly(whole));
    const magnitude = digits.length > integerCharsMax ? integerMax + 2n : BigInt(digits);
    const value = sign === "-" ? -magnitude : magnitude;
    if (value > integerMax || value < -integerMax - 1n)
      throw syntaxError(at, "an integer of 64 bits", quoteBriefly(whole));
    return { type: "integer", value: Number.isSafeInteger(Number(value)) ? Number(value) : value, at };
  }

  #skipBlanks(): void {
    for (;;) {
      this.#match(blankPattern);
      if (!this.#text.startsWith("/*", this.#offset)) return;
      const end = this.#text.indexOf("*/", this.#offset + 2);
      const at = this.#position(this.#offset);
      if (end < 0) throw syntaxError(at, "*/ after the comment that begins here", "the end of the file");
      this.#offset = end + 2;
    }
  }

  /** What `pattern` (sticky) finds at the offset, which moves behind it. */
  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset;
    const text = pattern.exec(this.#text)?.[0];
    if (text !== undefined) this.#offset += text.length;
    return text;
  }

  #position(offset: number): Position {
    const starts = this.#lineStarts;
    while (this.#line > 0 && (starts[this.#line] ?? 0) > offset) this.#line -= 1;
    while ((starts[this.#line + 1] ?? Infinity) <= offset) this.#line += 1;
    return { file: this.file, line: this.#line + 1, column: offset - (starts[this.#line] ?? 0) + 1 };
  }
}

/** What an error message calls a token. Strings are not shown: one may hold a password. */
export function describeToken(token: Token): string {
  switch (token.type) {
    case "name":
      return quoteBriefly(token.text);
    case "string":
      return "a string";
    case "integer":
    case "float":
      return `the number ${token.value}`;
    case "include":
      return "@include";
    case "end":
      return "the end of the file";
    case "{":
    case "}":
    case "(":
    case ")":
    case "[":
    case "]":
    case "=":
    case ":":
    case ";":
    case ",":
      return `"${token.type}"`;
  }
}

function isPunctuation(char: string): char is Punctuation {
  return "{}()[]=:;,".includes(char);
}

function readFloat(text: string, at: Position): Token {
  if (/^[-+]?0[0-9]/.test(text) && /^[-+]?[0-9]+L{0,2}$/.test(text)) {
    // C would read it as octal, a person as decimal.
    throw syntaxError(at, "an integer without leading zeros", quoteBriefly(text));
  }
  if (!/^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$/.test(text))
    throw syntaxError(at, "a number", quoteBriefly(text));
  const value = Number(text);
  if (!Number.isFinite(value)) throw syntaxError(at, "a float of 64 bits", quoteBriefly(text));
  return { type: "float", value, at };
}

function lineStartsOf(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

function describeChar(char: string): string {
  const code = char.charCodeAt(0);
  const isPrintable = code > 0x20 && code !== 0x7f && (code < 0x80 || code > 0xa0) && (code < 0xd800 || code > 0xdfff);
  return isPrintable ? `"${char}"` : `the character U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
}
