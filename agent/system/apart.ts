// Loads a module that most nodes never need. In the single binary it is a script of its own: what is in the program's one script is
// text in memory, whether it runs or not.
import { createRequire } from "node:module";
import { basename } from "node:path";
import { compileFunction } from "node:vm";
import { embeddedText } from "./assets.ts";

/**
 * The module at `url`, each time loaded anew in the single binary. It imports packages only: a module of ours in it would be there
 * twice, and its classes would be others.
 *
 * The build finds these modules as it finds the programs of worker threads, by the calls of this function: see worker-entry.ts.
 */
export async function loadApart<Module extends object>(url: URL): Promise<Module> {
  const loaded = evaluateApart(`${basename(url.pathname, ".ts")}.cjs`) ?? (await import(url.href));
  return loaded as Module; // typed where it was asked for
}

/** What the script of that name in the single binary exports; undefined outside of it. */
export function evaluateApart(name: string): unknown {
  const text = embeddedText(name);
  return text === undefined ? undefined : evaluate(name, text);
}

function evaluate(filename: string, text: string): unknown {
  const module: { exports: unknown } = { exports: {} };
  const parameters = ["require", "module", "exports", "__filename"];
  const run = compileFunction(text, parameters, { filename }) as (...values: readonly unknown[]) => void;
  run(createRequire(process.execPath), module, module.exports, process.execPath);
  return module.exports;
}
