// Which version of which file is in force. A function of what the folders hold and of what was in force before [U13].
import type { PlainValue } from "#shared/machine/plain-value.ts";
import type { DeviceClass } from "#shared/registry/device-class.ts";
import type { ClassReader, ReadFile } from "./class-reader.ts";
import type { XmlProblem } from "./xml-text.ts";

/** The folder with the files that come with the program, and the one whose files win over those of the same name. */
export type ConfigFolder = "base" | "volatile";

/** A file as it was found. `content`: the text, or why there is none. */
export interface FoundFile {
  readonly folder: ConfigFolder;
  /** Without the folder. */
  readonly name: string;
  /** For messages. */
  readonly path: string;
  /** Of its bytes: two files with the same are the same. */
  readonly hash: string;
  readonly content: { readonly text: string } | XmlProblem;
}

export interface ActiveClass {
  readonly deviceClass: DeviceClass;
  readonly file: FoundFile;
  /** Its text. */
  readonly schema: string;
}

export interface ActiveInstance {
  readonly className: string;
  readonly values: PlainValue;
  readonly file: FoundFile;
}

export interface Refusal {
  readonly path: string;
  readonly hash: string;
  /** From 1; 0 where it is about the file as a whole. */
  readonly line: number;
  readonly reason: string;
  /** Whether an earlier version of the file, or the one that it shadows, is in force instead. */
  readonly hasSubstitute: boolean;
}

export interface ClassCatalogue {
  /** What it was made of. */
  readonly sources: readonly FoundFile[];
  /** By name of the class. */
  readonly classes: ReadonlyMap<string, ActiveClass>;
  /** By name of the file. */
  readonly instances: ReadonlyMap<string, ActiveInstance>;
  /** By path. */
  readonly refused: ReadonlyMap<string, Refusal>;
  /** The last version of each file that could be read, by path: it stands in for a broken one. */
  readonly readable: ReadonlyMap<string, ReadVersion>;
}

interface ReadVersion {
  readonly file: FoundFile;
  readonly read: ReadFile;
}

export const emptyCatalogue: ClassCatalogue = {
  sources: [],
  classes: new Map(),
  instances: new Map(),
  refused: new Map(),
  readable: new Map(),
};

/** What is in force when the folders hold `found`. Whatever is in the files, the outcome is a catalogue. */
export function nextCatalogue(
  before: ClassCatalogue,
  found: readonly FoundFile[],
  reader: ClassReader,
): ClassCatalogue {
  const problems = new Map<string, XmlProblem>();
  const readable = new Map<string, ReadVersion>();
  for (const file of found) {
    const version = readVersion(before, file, reader);
    if ("read" in version) readable.set(file.path, version);
    else {
      problems.set(file.path, version);
      const last = before.readable.get(file.path);
      if (last !== undefined) readable.set(file.path, last);
    }
  }
  const chosen = chooseByName(found, readable);
  const classes = collectClasses(before, chosen, problems);
  const instances = collectInstances(before, chosen, classes, problems, reader);
  const refused = new Map<string, Refusal>();
  for (const { path, hash, name } of found) {
    const problem = problems.get(path);
    if (problem === undefined) continue;
    const hasClass = [...classes.values()].some(({ file }) => file.name === name);
    refused.set(path, { path, hash, ...problem, hasSubstitute: hasClass || instances.has(name) });
  }
  return { sources: found, classes, instances, refused, readable };
}

/** Refusals that nobody has been told: of this content, for this reason. */
export function newRefusals(before: ClassCatalogue, after: ClassCatalogue): readonly Refusal[] {
  return [...after.refused.values()].filter(({ path, hash, reason }) => {
    const known = before.refused.get(path);
    return known?.hash !== hash || known.reason !== reason;
  });
}

/** Names of the classes that came, went or changed. */
export function changedClasses(before: ClassCatalogue, after: ClassCatalogue): readonly string[] {
  const names = new Set([...before.classes.keys(), ...after.classes.keys()]);
  const versionIn = (catalogue: ClassCatalogue, name: string) => catalogue.classes.get(name)?.file.hash;
  return [...names].filter((name) => versionIn(before, name) !== versionIn(after, name)).toSorted();
}

function readVersion(before: ClassCatalogue, file: FoundFile, reader: ClassReader): ReadVersion | XmlProblem {
  const last = before.readable.get(file.path);
  if (last?.file.hash === file.hash) return last;
  if (!("text" in file.content)) return file.content;
  const read = reader.read(file.content.text);
  return "reason" in read ? read : { file, read };
}

/** Of files with the same name the volatile one, where it can be read. In the order of their names. */
function chooseByName(found: readonly FoundFile[], readable: ReadonlyMap<string, ReadVersion>): readonly ReadVersion[] {
  const chosen = new Map<string, ReadVersion>();
  for (const { name, path, folder } of found) {
    const version = readable.get(path);
    if (version !== undefined && (folder === "volatile" || !chosen.has(name))) chosen.set(name, version);
  }
  return [...chosen].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, version]) => version);
}

/** A class that two files define stays with the one that had it, or else is of the first name. */
function collectClasses(
  before: ClassCatalogue,
  chosen: readonly ReadVersion[],
  problems: Map<string, XmlProblem>,
): ReadonlyMap<string, ActiveClass> {
  const classes = new Map<string, ActiveClass>();
  const hadIt = ({ file, read }: ReadVersion): boolean =>
    read.type === "schema" && before.classes.get(read.deviceClass.name)?.file.name === file.name;
  for (const version of [...chosen.filter(hadIt), ...chosen.filter((one) => !hadIt(one))]) {
    const { file, read } = version;
    if (read.type !== "schema") continue;
    const { deviceClass, schema } = read;
    const owner = classes.get(deviceClass.name);
    if (owner === undefined) classes.set(deviceClass.name, { deviceClass, file, schema });
    else
      note(problems, file, {
        line: 0,
        reason: `the class ${deviceClass.name} is defined in ${owner.file.path} already`,
      });
  }
  return classes;
}

function collectInstances(
  before: ClassCatalogue,
  chosen: readonly ReadVersion[],
  classes: ReadonlyMap<string, ActiveClass>,
  problems: Map<string, XmlProblem>,
  reader: ClassReader,
): ReadonlyMap<string, ActiveInstance> {
  const instances = new Map<string, ActiveInstance>();
  for (const { file, read } of chosen) {
    if (read.type !== "instance") continue;
    const { className, text, line } = read;
    const active = classes.get(className);
    if (active === undefined) {
      note(problems, file, { line, reason: `there is no class ${className.slice(0, 80)}` });
      continue;
    }
    const told = reader.readInstance(active.deviceClass, active.schema, text);
    if ("values" in told) {
      instances.set(file.name, { className, values: told.values, file });
      continue;
    }
    note(problems, file, told);
    const last = before.instances.get(file.name);
    // It was right by its class as it was then.
    if (last?.className === className && last.file.path === file.path) instances.set(file.name, last);
  }
  return instances;
}

/** What stands in for a broken file is not what the message is about. */
function note(problems: Map<string, XmlProblem>, file: FoundFile, problem: XmlProblem): void {
  if (!problems.has(file.path)) problems.set(file.path, problem);
}
