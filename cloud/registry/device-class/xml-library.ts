// libxml2, compiled to WebAssembly, behind what device classes need of it. Loaded when the first class is read, and only here.
import type { ParseOption, XmlElement } from "libxml2-wasm";
import type { XmlProblem } from "./xml-text.ts";

/** An element as it was parsed; texts between its children are left out. */
export interface XmlTree {
  readonly name: string;
  /** URI, or "". */
  readonly namespace: string;
  readonly line: number;
  readonly attributes: readonly { readonly name: string; readonly namespace: string; readonly value: string }[];
  readonly children: readonly XmlTree[];
  /** The text of an element without children. */
  readonly text: string;
}

export interface ParsedXml {
  readonly root: XmlTree;
  /** Namespaces by their prefixes, as the root declares them. */
  readonly prefixes: Readonly<Record<string, string>>;
}

/** Texts are those of `readXmlText`. */
export interface XmlLibrary {
  parse(text: string): ParsedXml | XmlProblem;
  /** Why that is no XML Schema. */
  schemaProblem(schema: string): XmlProblem | undefined;
  /** Why that is no instance of the schema, which has no problem of its own. */
  instanceProblem(schema: string, instance: string): XmlProblem | undefined;
}

type Libxml2 = typeof import("libxml2-wasm");

/** The name under which a single binary carries the package, as one ES module. */
const embeddedName = "libxml2-wasm.mjs";

/**
 * `embeddedText`: the text of a file inside the single binary, or undefined where there is none. The package waits for its WebAssembly at
 * the top level, which a script cannot: inside the binary it is a module of its own, imported from a `data:` URL.
 */
export async function loadXmlLibrary(embeddedText: (name: string) => string | undefined): Promise<XmlLibrary> {
  const program = embeddedText(embeddedName);
  if (program === undefined) return createXmlLibrary(await import("libxml2-wasm"));
  const url = `data:text/javascript;base64,${Buffer.from(program).toString("base64")}`;
  const loaded = (await import(url)) as Libxml2;
  return createXmlLibrary(loaded);
}

function createXmlLibrary(xml: Libxml2): XmlLibrary {
  const { XML_PARSE_NO_XXE, XML_PARSE_NONET, XML_PARSE_IGNORE_ENC, XML_PARSE_BIG_LINES } = xml.ParseOption;
  // Entities stay as they are, nothing is loaded from anywhere, and the text is what it was decoded to.
  const flags: unknown = XML_PARSE_NO_XXE | XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_BIG_LINES;
  const parse = (text: string) => xml.XmlDocument.fromString(text, { option: flags as ParseOption });
  const problemOf = (work: () => void): XmlProblem | undefined => {
    try {
      work();
      return undefined;
    } catch (error) {
      return toProblem(xml, error);
    }
  };
  const treeOf = (element: XmlElement): XmlTree => {
    const children: XmlTree[] = [];
    for (let child = element.firstChild; child !== null; child = child.next)
      if (child instanceof xml.XmlElement) children.push(treeOf(child));
    return {
      name: element.name,
      namespace: element.namespaceUri,
      line: element.line,
      attributes: element.attrs.map(({ name, namespaceUri, value }) => ({ name, namespace: namespaceUri, value })),
      children,
      text: children.length === 0 ? element.content : "",
    };
  };
  return {
    parse: (text) => {
      try {
        using document = parse(text);
        return { root: treeOf(document.root), prefixes: { ...document.root.nsDeclarations } };
      } catch (error) {
        return toProblem(xml, error);
      }
    },
    schemaProblem: (schema) =>
      problemOf(() => {
        using document = parse(schema);
        xml.XsdValidator.fromDoc(document).dispose();
      }),
    instanceProblem: (schema, instance) =>
      problemOf(() => {
        using schemaDocument = parse(schema);
        using validator = xml.XsdValidator.fromDoc(schemaDocument);
        using document = parse(instance);
        validator.validate(document);
      }),
  };
}

function toProblem(xml: Libxml2, error: unknown): XmlProblem {
  // A trap inside, out of memory for one, is the fault of the file as well.
  if (error instanceof Error && error.name === "RuntimeError")
    return { line: 0, reason: `the parser failed: ${error.message}` };
  if (!(error instanceof xml.XmlError)) throw error;
  const [first] = error instanceof xml.XmlLibError ? error.details : [];
  const reason = (first?.message ?? error.message).trim().replace(/\s+/g, " ").slice(0, 400);
  return { line: first?.line ?? 0, reason };
}
