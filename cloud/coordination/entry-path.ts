// Paths of entries: what ZooKeeper takes, so that both implementations take the same.
import { FogbankError } from "#shared/errors.ts";

export const rootPath = "/";

/** Control and private-use characters, surrogates and specials, as ZooKeeper refuses them. */
const forbidden = /[\u0000-\u001f\u007f-\u009f\ud800-\uf8ff\ufff0-\uffff]/u;

/** Throws FOGBANK_NAME_INVALID. */
export function checkEntryPath(path: string): void {
  const problem = problemOf(path);
  if (problem !== undefined)
    throw new FogbankError("FOGBANK_NAME_INVALID", `"${path}" is no path of a coordinator's entry: ${problem}`);
}

function problemOf(path: string): string | undefined {
  if (path === rootPath) return undefined;
  if (!path.startsWith("/")) return "it has to begin with /";
  if (forbidden.test(path)) return "it has a character that no path may have";
  const parts = path.slice(1).split("/");
  return parts.every((part) => part !== "" && part !== "." && part !== "..")
    ? undefined
    : "no part of it may be empty, . or ..";
}

/** Of every path but the root. */
export function parentOf(path: string): string {
  const at = path.lastIndexOf("/");
  return at <= 0 ? rootPath : path.slice(0, at);
}

export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** All paths above, the nearest first. */
export function* ancestorsOf(path: string): Generator<string> {
  for (let at = path; at !== rootPath;) {
    at = parentOf(at);
    yield at;
  }
}
