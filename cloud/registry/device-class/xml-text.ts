// What a file of device classes must be before a parser sees it: text of bounded length without a document type [U-T8].
import { classLimits } from "./bounds.ts";

export interface XmlProblem {
  /** From 1; 0 where it is about the file as a whole. */
  readonly line: number;
  readonly reason: string;
}

/** The text, without a byte order mark. Entities, external ones too, can only be declared in a document type, which is refused. */
export function readXmlText(bytes: Uint8Array): { readonly text: string } | XmlProblem {
  if (bytes.length > classLimits.fileBytes)
    return { line: 0, reason: `the file is longer than ${classLimits.fileBytes} bytes` };
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return { line: 0, reason: "the file is not UTF-8" };
  }
  const at = endOfProlog(text);
  if (!text.startsWith("<!", at)) return { text };
  return { line: lineAt(text, at), reason: "a document type (<!DOCTYPE …>) is not taken: it could declare entities" };
}

/** Behind blanks, comments and processing instructions: where a document type would stand, or the root element. */
function endOfProlog(text: string): number {
  const blank = /[ \t\r\n]*/y;
  let at = 0;
  for (;;) {
    blank.lastIndex = at;
    blank.test(text);
    at = blank.lastIndex;
    const close = text.startsWith("<?", at) ? "?>" : text.startsWith("<!--", at) ? "-->" : undefined;
    const end = close === undefined ? -1 : text.indexOf(close, at + 2);
    if (close === undefined || end < 0) return at;
    at = end + close.length;
  }
}

function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}
