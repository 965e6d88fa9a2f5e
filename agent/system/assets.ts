// Files that the single binary carries inside: programs of worker threads, NOTICES. A checkout has them as files of its own.

/** The part of `node:sea` that is used here. */
interface SingleExecutable {
  isSea(): boolean;
  getAsset(name: string, encoding: "utf8"): string;
}

/** The text of that file in the single binary, which throws when it has none; undefined when this is no single binary. */
export function embeddedText(name: string): string | undefined {
  // Asked for instead of imported: Deno has no such module.
  const sea: SingleExecutable | undefined = process.getBuiltinModule("node:sea");
  return sea?.isSea() ? sea.getAsset(name, "utf8") : undefined;
}
