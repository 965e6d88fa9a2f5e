// NOTICES: the licences of everything in the binary. From what the bundler really took, not from what is installed.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { mitLicence } from "./mit-licence.ts";

const packageManifest = v.object({
  name: v.string(),
  version: v.string(),
  license: v.optional(v.string()),
  author: v.optional(v.unknown()),
});
const rule = "-".repeat(80);

export interface NoticesSources {
  /** Of the checkout. */
  readonly root: string;
  /** Files that are in the bundle, relative to it. */
  readonly inputs: readonly string[];
  readonly node: { readonly version: string; readonly licence: string };
}

/** Throws when the text of a package's licence is not known. */
export function makeNotices({ root, inputs, node }: NoticesSources): string {
  const folders = [...new Set(inputs.flatMap(packageFolder))].map((folder) => join(root, folder));
  const own = section(...titleAndTexts(root));
  const others = folders.map((folder) => section(...titleAndTexts(folder)));
  return [own, ...others.toSorted(), section(`Node.js ${node.version}`, [node.licence])].join("\n");
}

/** `a/node_modules/@x/y/lib/z.js` is of the package `a/node_modules/@x/y`; a file of the checkout is of none. */
export function packageFolder(file: string): readonly string[] {
  const found = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0];
  return found === undefined ? [] : [found];
}

function titleAndTexts(folder: string): [title: string, texts: readonly string[]] {
  const manifest = v.parse(packageManifest, JSON.parse(readFileSync(join(folder, "package.json"), "utf8")));
  const { name, version, license = "", author } = manifest;
  const title = `${name} ${version} (${license})`;
  const files = readdirSync(folder).filter((file) => /^(?:licen[cs]e|copying|notice)(?:[.-]|$)/i.test(file));
  if (files.length === 0 && license === "MIT" && typeof author === "string") return [title, [mitLicence(author)]];
  if (files.length === 0) throw new Error(`${title} comes without the text of its licence`);
  const texts = files.toSorted().map((file) => readFileSync(join(folder, file), "utf8"));
  return [title, texts];
}

function section(title: string, texts: readonly string[]): string {
  return [rule, title, rule, "", ...texts.map((text) => `${text.trim()}\n`)].join("\n");
}
