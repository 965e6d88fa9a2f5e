// Packages that few nodes need and that are large: each is a script of its own, beside the program's one script, whose text is in memory
// whether it runs or not. Our modules import them as ever; in the bundle that import evaluates the other script.
import { join } from "node:path";
import type { Plugin } from "esbuild";

const packages: readonly string[] = ["mongodb"];
const namespace = "apart";

/** `root`: the checkout. */
export function setApart(root: string): Plugin {
  return {
    name: "apart-packages",
    setup(build) {
      build.onResolve({ filter: new RegExp(`^(?:${packages.join("|")})$`) }, ({ path, kind }) =>
        kind === "entry-point" ? undefined : { path, namespace },
      );
      build.onLoad({ filter: /.*/, namespace }, ({ path }) => ({
        contents: `module.exports = require(${JSON.stringify(join(root, "agent/system/apart-package.ts"))}).packageApart(${JSON.stringify(path)});`,
        resolveDir: root,
      }));
    },
  };
}

/** Those that a script asks for, which has been made of `inputs`. */
export function apartPackagesIn(inputs: readonly string[]): readonly string[] {
  return packages.filter((name) => inputs.includes(`${namespace}:${name}`));
}

/** Whether an input stands for such a package, and is no file. */
export function isApart(input: string): boolean {
  return input.startsWith(`${namespace}:`);
}
