// Parts that a build may leave out. Each hangs on one `import()`, of the file that is named here; in its place such a build has one that
// says so when it is asked for, and nothing that only that part uses.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin } from "esbuild";

const parts = {
  /** All that a root at level cloud adds: what is left is for devices and fogs. */
  cloud: { file: "cloud/cloud.ts", reason: "level: this build has nothing of a root at level cloud" },
  mongodb: { file: "cloud/storage/mongodb/mongodb-store.ts", reason: "documents.url: this build has no MongoDB" },
} as const;

export type OptionalPart = keyof typeof parts;

export const optionalParts = Object.keys(parts).filter(isOptionalPart);

/** `root`: the checkout. */
export function leaveOut(root: string, without: readonly OptionalPart[]): Plugin {
  const reasons = new Map(without.map((part) => [join(root, parts[part].file), parts[part].reason]));
  for (const file of reasons.keys()) readFileSync(file); // one that was renamed would be left in
  return {
    name: "leave-out",
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        const reason = reasons.get(path);
        if (reason === undefined) return undefined;
        const contents = `import { FogbankError } from "#shared/errors.ts";
throw new FogbankError("FOGBANK_CONFIG_INVALID", ${JSON.stringify(reason)});
export {};`;
        return { contents, loader: "ts" };
      });
    },
  };
}

function isOptionalPart(name: string): name is OptionalPart {
  return Object.hasOwn(parts, name);
}
