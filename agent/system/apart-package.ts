// What the single binary has in the place of a large package: see scripts/build/apart-packages.ts.
import { evaluateApart } from "./apart.ts";

/** The package as it stands in the binary, in a script of its own. */
export function packageApart(name: string): unknown {
  const loaded = evaluateApart(`${name}.cjs`);
  if (loaded === undefined) throw new Error(`this build lacks ${name}`);
  return loaded;
}
