// Reads a device class out of a parsed XML Schema: a root element named as the kind of device, with a sequence of simple values, and
// commands beside it (CLASSES.md). Anything else that XML Schema has is refused before libxml2 compiles it: some of it takes for ever.
import type { ClassCommand, ClassField, DeviceClass } from "#shared/registry/device-class.ts";
import type { ValueRule } from "#shared/registry/value-rule.ts";
import { classLimits } from "./bounds.ts";
import { builtInRule, narrowRule } from "./schema-rules.ts";
import type { ParsedXml, XmlTree } from "./xml-library.ts";
import type { XmlProblem } from "./xml-text.ts";

const schemaNamespace = "http://www.w3.org/2001/XMLSchema";

/** Of the attribute `role`, which tells commands from the class itself. */
const classNamespace = "urn:fogbank:device-class";

/** Why a schema is no device class. Thrown and caught in this file. */
class SchemaFault extends Error {
  readonly line: number;

  constructor({ line }: XmlTree, reason: string) {
    super(reason);
    this.name = "SchemaFault";
    this.line = line;
  }
}

interface Scope {
  readonly prefixes: Readonly<Record<string, string>>;
  readonly targetNamespace: string;
  /** Simple types with a name, by it. */
  readonly types: ReadonlyMap<string, XmlTree>;
  /** Names of types that are being read, to find circles. */
  readonly open: readonly string[];
}

/** Whether that file is a schema and not an instance: its root tells, not its name [U-T7]. */
export function isSchema({ root }: ParsedXml): boolean {
  return root.namespace === schemaNamespace && root.name === "schema";
}

export function readDeviceClass({ root, prefixes }: ParsedXml): DeviceClass | XmlProblem {
  try {
    return readSchema(root, prefixes);
  } catch (error) {
    if (!(error instanceof SchemaFault)) throw error;
    return { line: error.line, reason: error.message };
  }
}

function readSchema(root: XmlTree, prefixes: Readonly<Record<string, string>>): DeviceClass {
  const types = new Map<string, XmlTree>();
  const elements: XmlTree[] = [];
  for (const child of partsOf(root, ["element", "simpleType"])) {
    if (child.name === "element") elements.push(child);
    else types.set(nameOf(child), child);
  }
  const scope = { prefixes, targetNamespace: attribute(root, "targetNamespace") ?? "", types, open: [] };
  const isCommand = (element: XmlTree): boolean => attribute(element, "role", classNamespace) === "command";
  const [own, second] = elements.filter((element) => !isCommand(element));
  if (own === undefined) throw new SchemaFault(root, "there is no element that is named as the class");
  if (second !== undefined)
    throw new SchemaFault(second, `a second root element beside ${nameOf(own)}, and no command (role="command")`);
  const commands = elements.filter(isCommand).map((element) => readCommand(element, scope));
  if (commands.length > classLimits.commands) throw new SchemaFault(root, `more than ${classLimits.commands} commands`);
  refuseTwins(root, commands);
  const name = nameOf(own);
  const fields = readFields(own, scope);
  if (fields.some((field) => field.name === name)) throw new SchemaFault(own, `${name} has a field of its own name`);
  return { name, fields, commands };
}

function readCommand(element: XmlTree, scope: Scope): ClassCommand {
  return { name: nameOf(element), parameters: readFields(element, scope) };
}

/** `complexType` with a `sequence` or `all` of elements; nothing inside stands for no fields. */
function readFields(element: XmlTree, scope: Scope): readonly ClassField[] {
  allowAttributes(element, ["name"]);
  const [type, ...more] = partsOf(element, ["complexType"]);
  const [group, ...others] = type === undefined ? [] : partsOf(type, ["sequence", "all"]);
  const extra = more[0] ?? others[0];
  if (extra !== undefined) throw new SchemaFault(extra, `one ${extra.name} is enough`);
  if (type !== undefined) allowAttributes(type, []);
  if (group === undefined) return [];
  allowAttributes(group, []);
  const fields = partsOf(group, ["element"]).map((field) => readField(field, scope));
  if (fields.length > classLimits.fields) throw new SchemaFault(group, `more than ${classLimits.fields} fields`);
  refuseTwins(group, fields);
  return fields;
}

function readField(element: XmlTree, scope: Scope): ClassField {
  allowAttributes(element, ["name", "type", "minOccurs", "maxOccurs"]);
  const name = nameOf(element);
  const type = attribute(element, "type");
  const [inner] = partsOf(element, ["simpleType"]);
  if ((type === undefined) === (inner === undefined))
    throw new SchemaFault(element, `${name} needs a type, or a simpleType inside`);
  const rule = type === undefined ? undefined : ruleOfName(element, type, scope);
  const ownRule = rule ?? (inner === undefined ? undefined : readSimpleType(inner, scope));
  if (ownRule === undefined) throw new SchemaFault(element, `${name} has no type`);
  const least = countOf(element, "minOccurs");
  const most = countOf(element, "maxOccurs");
  if (least > most) throw new SchemaFault(element, `${name} has a minOccurs above its maxOccurs`);
  return { name, rule: ownRule, least, most };
}

function readSimpleType(type: XmlTree, scope: Scope): ValueRule {
  const [restriction, second] = partsOf(type, ["restriction"]);
  if (restriction === undefined || second !== undefined)
    throw new SchemaFault(type, "a simpleType has one restriction");
  const base = attribute(restriction, "base");
  const [inner] = partsOf(restriction, ["simpleType"], true);
  if (base === undefined || inner !== undefined) throw new SchemaFault(restriction, "a restriction names its base");
  let rule = ruleOfName(restriction, base, scope);
  const choices: string[] = [];
  for (const facet of restriction.children) {
    if (facet.name === "annotation") continue;
    const value = attribute(facet, "value") ?? "";
    if (facet.name === "enumeration") choices.push(value);
    else rule = narrowed(facet, rule, value);
  }
  if (choices.length > classLimits.choices)
    throw new SchemaFault(restriction, `more than ${classLimits.choices} values`);
  return choices.length === 0 ? rule : { ...rule, choices };
}

function narrowed(facet: XmlTree, rule: ValueRule, value: string): ValueRule {
  const narrow = narrowRule(rule, facet.name, value);
  if (typeof narrow === "string") throw new SchemaFault(facet, narrow);
  return narrow;
}

/** `xs:int`, or a simple type of this schema. */
function ruleOfName(at: XmlTree, qualifiedName: string, scope: Scope): ValueRule {
  const [, prefix = "", name = ""] = /^(?:([^:]*):)?([^:]*)$/.exec(qualifiedName.trim()) ?? [];
  const namespace = scope.prefixes[prefix] ?? "";
  if (namespace === schemaNamespace) {
    const rule = builtInRule(name);
    if (typeof rule === "string") throw new SchemaFault(at, rule);
    return rule;
  }
  const type = namespace === scope.targetNamespace ? scope.types.get(name) : undefined;
  if (type === undefined) throw new SchemaFault(at, `the type ${qualifiedName.slice(0, 80)} is not known`);
  if (scope.open.includes(name) || scope.open.length >= 8)
    throw new SchemaFault(at, `the type ${name} rests on itself, or on more than 8 others`);
  return readSimpleType(type, { ...scope, open: [...scope.open, name] });
}

/** Children but for annotations; any that is not of `names` is a fault, unless others may stand there too. */
function partsOf(parent: XmlTree, names: readonly string[], mayHaveOthers = false): readonly XmlTree[] {
  const parts = parent.children.filter((child) => child.name !== "annotation");
  const odd = parts.find((child) => child.namespace !== schemaNamespace || !names.includes(child.name));
  if (odd !== undefined && !mayHaveOthers)
    throw new SchemaFault(odd, `${odd.name} in ${parent.name} is not supported in device classes`);
  return parts.filter((child) => names.includes(child.name));
}

function allowAttributes(element: XmlTree, names: readonly string[]): void {
  const odd = element.attributes.find(
    ({ name, namespace }) => namespace === "" && name !== "id" && !names.includes(name),
  );
  if (odd !== undefined)
    throw new SchemaFault(element, `the attribute ${odd.name} of ${element.name} is not supported in device classes`);
}

function attribute(element: XmlTree, name: string, namespace = ""): string | undefined {
  return element.attributes.find((one) => one.name === name && one.namespace === namespace)?.value;
}

function nameOf(element: XmlTree): string {
  const name = attribute(element, "name") ?? "";
  if (name !== "" && name.length <= 64) return name;
  throw new SchemaFault(element, `${element.name} needs a name of 1 to 64 characters`);
}

function countOf(element: XmlTree, name: "minOccurs" | "maxOccurs"): number {
  const text = attribute(element, name) ?? "1";
  if (name === "maxOccurs" && text === "unbounded") return classLimits.listItems;
  const count = /^[0-9]{1,9}$/.test(text) ? Number(text) : Infinity;
  if (count <= classLimits.listItems) return count;
  throw new SchemaFault(element, `${name} is a number up to ${classLimits.listItems}`);
}

function refuseTwins(at: XmlTree, named: readonly { readonly name: string }[]): void {
  const names = named.map(({ name }) => name);
  const twin = names.find((name, index) => names.indexOf(name) < index);
  if (twin !== undefined) throw new SchemaFault(at, `${twin} is there twice`);
}
