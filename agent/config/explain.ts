// The effective settings as a configuration text that says where each value comes from.
import { formatValue } from "#shared/libconfig/format.ts";
import { fromPlain, type PlainValue } from "#shared/libconfig/setting.ts";
import type { ConfigKey } from "./schema.ts";

/** One setting as `fogbank config show` prints it. */
export interface ConfigEntry {
  readonly key: ConfigKey;
  /** As given, with passwords masked; nothing when an optional setting is not set. */
  readonly value: PlainValue | undefined;
  /** `default`, a position in a file, `environment FOGBANK_…` or `flag …`. */
  readonly origin: string;
  readonly help: string;
}

interface Line {
  /** The part of the key that is still to be printed. */
  readonly path: string;
  readonly entry: ConfigEntry;
}

const nowhere = { file: "", line: 1, column: 1 };

/** Reads back as the same configuration, but for masked passwords. `withHelp` puts a comment above each setting. */
export function renderConfig(entries: readonly ConfigEntry[], withHelp = false): string {
  return render(
    entries.map((entry) => ({ path: entry.key, entry })),
    "",
    withHelp,
  );
}

function render(lines: readonly Line[], indent: string, withHelp: boolean): string {
  const linesByName = new Map<string, Line[]>();
  for (const line of lines) {
    const name = line.path.replace(/\..*/, "");
    linesByName.set(name, [...(linesByName.get(name) ?? []), line]);
  }
  return [...linesByName].map(([name, group]) => renderNamed(name, group, indent, withHelp)).join("");
}

function renderNamed(name: string, lines: readonly Line[], indent: string, withHelp: boolean): string {
  const isEmpty = lines.every(({ entry }) => entry.value === undefined);
  const isSetting = lines.every(({ path }) => path === name);
  if (isEmpty || isSetting) return lines.map(({ entry }) => renderEntry(name, entry, indent, withHelp)).join("");
  const inner = lines.map(({ path, entry }) => ({ path: path.slice(name.length + 1), entry }));
  return `${indent}${name}:\n${indent}{\n${render(inner, `${indent}  `, withHelp)}${indent}};\n`;
}

function renderEntry(
  name: string,
  { key, value, origin, help }: ConfigEntry,
  indent: string,
  withHelp: boolean,
): string {
  const above = withHelp ? help.replace(/^/gm, `${indent}# `) + "\n" : "";
  if (value === undefined) return `${above}${indent}# ${key} is not set\n`;
  // A file name may hold a line break, which would end the comment.
  const comment = origin.replace(/\p{Cc}/gu, "?");
  return `${above}${indent}${name} = ${formatValue(fromPlain(value, nowhere))};  # ${comment}\n`;
}
