// Reads TypeScript as text, for the rules of tidy.test.ts: which modules a file names, what is code and what is comment or
// string, how long its functions are. Not a parser: it relies on the formatter's layout and leaves odd cases to the linter.

export interface FunctionSpan {
  /** Name before the parentheses or of the constant; else the trimmed first line. */
  readonly name: string;
  /** First line of the function, from 1. */
  readonly line: number;
  /** Its length without the named functions and methods inside it: a factory of closures is a scope, like a class. */
  readonly lines: number;
  /** Its text, comments and strings blanked. */
  readonly code: string;
}

const moduleNames = [
  /^\s*(?:import|export)\b[^;"']*?\bfrom\s*["']([^"']+)["']/gm, // import a from "x"; export * from "x"
  /^\s*import\s*["']([^"']+)["']/gm, // import "x"
  /\bimport\(\s*["']([^"']+)["']/g, // import("x"), as a value or a type
  /\bnew URL\(\s*["'](\.[^"']+)["'],\s*import\.meta\.url/g, // a worker's or an asset's file
];

/** Every module that `text` names, in import and export clauses, dynamic imports and URLs beside the file. */
export function importsOf(text: string): readonly string[] {
  return moduleNames.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ""));
}

const afterThisARegexpStarts = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of))\s*$/;
const token =
  /\/\/[^\n]*|\/\*[^]*?\*\/|"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'|`|\}|\{|\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/g;

/** `text` with comments, strings and regular expressions blanked, in as many lines; `${…}` in templates stays code. */
export function codeOf(text: string): string {
  let code = "";
  let at = 0;
  const templateDepths: number[] = []; // brace depth at which each open `${` closes
  let depth = 0;
  token.lastIndex = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [found] = match;
    code += text.slice(at, match.index);
    at = match.index + found.length;
    if (found === "{") {
      depth++;
      code += found;
    } else if (found === "}" && templateDepths.at(-1) !== depth) {
      depth--;
      code += found;
    } else if (found === "`" || found === "}") {
      if (found === "}") templateDepths.pop();
      const end = templateEnd(text, at);
      if (end.opensCode) templateDepths.push(depth);
      code += blank(text.slice(match.index, end.at));
      at = end.at;
      token.lastIndex = at;
    } else if (found.startsWith("/") && !/^\/[/*]/.test(found) && !afterThisARegexpStarts.test(code.slice(-40))) {
      code += "/"; // a division: go on behind it
      at = match.index + 1;
      token.lastIndex = at;
    } else {
      code += blank(found);
    }
  }
  return code + text.slice(at);
}

interface Head {
  readonly start: number;
  readonly name: string;
  /** A declaration, a method or a named constant, in contrast to a callback. */
  readonly isMember: boolean;
}

/** The functions of `code` (as `codeOf` gives it), inner ones too. */
export function functionsOf(code: string): readonly FunctionSpan[] {
  const spans: FunctionSpan[] = [];
  const opened: { readonly head: Head | null; memberLines: number }[] = [];
  for (const { 0: brace, index } of code.matchAll(/[{}]/g)) {
    if (brace === "{") {
      opened.push({ head: functionHead(code, index), memberLines: 0 });
      continue;
    }
    const { head, memberLines } = opened.pop() ?? { head: null, memberLines: 0 };
    const outer = opened.at(-1);
    if (head === null) {
      if (outer !== undefined) outer.memberLines += memberLines;
      continue;
    }
    const body = code.slice(head.start, index + 1);
    const line = code.slice(0, head.start).split("\n").length;
    const lines = body.split("\n").length;
    spans.push({ name: head.name, line, lines: lines - memberLines, code: body });
    if (outer !== undefined) outer.memberLines += head.isMember ? lines : memberLines;
  }
  return spans;
}

const beforeMemberParameters =
  /^\s*(?:export )?(?:(?:static |override |async |get |set )*(?:function\*? )?\*?[#\w$]+|(?:const )?[\w$]+(?:: [^=]+)?(?: =|:) (?:async )?)(?:<[^()]*>)?$/;

/** What the function is whose body opens at `brace`; null when that brace opens something else. */
function functionHead(code: string, brace: number): Head | null {
  const before = code.slice(0, brace);
  const lineStart = before.lastIndexOf("\n") + 1;
  const closings = [...before.slice(lineStart).matchAll(/\)/g)].map(({ index }) => lineStart + index);
  const closing = [...closings, before.lastIndexOf(")")].find((at) =>
    /^\)(?::[^;]*)?\s*(?:=>)?\s*$/.test(before.slice(at)),
  );
  if (closing === undefined) return /=>\s*$/.test(before) ? headAt(code, lineStart, brace, false) : null; // x => {
  let open = closing;
  for (let depth = 0; open >= 0; open--) {
    if (code[open] === ")") depth++;
    if (code[open] === "(" && --depth === 0) break;
  }
  const start = code.lastIndexOf("\n", open) + 1;
  const lead = code.slice(start, open);
  const keyword = /([\w$]+)\s*$/.exec(lead)?.[1] ?? "";
  if (["if", "for", "while", "switch", "catch", "with", "await"].includes(keyword)) return null;
  return headAt(code, start, brace, beforeMemberParameters.test(lead));
}

function headAt(code: string, start: number, brace: number, isMember: boolean): Head {
  const head = code.slice(start, brace).trim();
  const name = /(?:function\*?|const|let)\s+([\w$]+)/.exec(head)?.[1] ?? /([#\w$]+)\s*(?:<[^(]*>)?\(/.exec(head)?.[1];
  return { start, name: name ?? head.split("\n")[0] ?? head, isMember };
}

/** The end of template text that begins at `from`: behind its closing backtick, or behind a `${`. */
function templateEnd(text: string, from: number): { readonly at: number; readonly opensCode: boolean } {
  for (let at = from; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === "`") return { at: at + 1, opensCode: false };
    else if (text.startsWith("${", at)) return { at: at + 2, opensCode: true };
  }
  return { at: text.length, opensCode: false };
}

function blank(text: string): string {
  return text.replaceAll(/[^\n]/g, " ");
}
