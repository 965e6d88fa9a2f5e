// Paths of entries: which are valid, and the part that a chroot puts in front. The rules are ZooKeeper's, for every coordinator.
import { FogbankError } from "#shared/errors.ts";

const forbidden = /[\u0000-\u001f\u007f-\u009f\ud800-\udfff\ue000-\uf8ff\ufff0-\uffff]/;

/**
 * Why `path` cannot be one, as a server would find, or undefined when it can. `open`: a sequential node's, to whose end the server adds a
 * number, so that it may end with a slash.
 */
export function pathFault(path: string, open = false): string | undefined {
  if (!path.startsWith("/")) return "a path starts with /";
  if (forbidden.test(path)) return "a path has no control, surrogate or private-use characters";
  const whole = open ? `${path}0` : path;
  if (whole === "/") return undefined;
  const parts = whole.slice(1).split("/");
  if (parts.includes("")) return "a path has no empty part, and does not end with /";
  if (parts.includes(".") || parts.includes("..")) return "a path has no part . or ..";
  return undefined;
}

/** Throws FOGBANK_COORDINATION_INVALID. */
export function checkPaths(operation: string, paths: readonly string[], open = false): void {
  for (const path of paths) {
    const fault = pathFault(path, open);
    if (fault === undefined) continue;
    throw new FogbankError("FOGBANK_COORDINATION_INVALID", `${operation} ${path} in the coordination: ${fault}`);
  }
}

/** The server's path of the caller's. `chroot` is empty or a valid path. */
export function withChroot(chroot: string, path: string): string {
  return path === "/" && chroot !== "" ? chroot : chroot + path;
}

/** The caller's path of the server's; a path outside of `chroot` as it is. */
export function withoutChroot(chroot: string, path: string): string {
  if (chroot === "" || !(path === chroot || path.startsWith(`${chroot}/`))) return path;
  return path.length === chroot.length ? "/" : path.slice(chroot.length);
}
