// Names that have been checked once. Nothing inside validates them again.
import { FogbankError } from "./errors.ts";
import { limits } from "./limits.ts";

/** A node's name: unique in its tree, 1 to 64 of letters, digits, `.`, `_`, `-`, not starting with a dot. */
export type NodeName = string & { readonly brand: "NodeName" };

/** Rank of a node in the tree. */
export type Level = "device" | "fog" | "cloud";

export const levels: readonly Level[] = ["device", "fog", "cloud"];

const nodeNamePattern = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;

/** Whether `text` can be a node's name. */
export function isNodeName(text: string): text is NodeName {
  return text.length <= limits.nodeNameChars && nodeNamePattern.test(text);
}

/** Throws FOGBANK_NAME_INVALID. */
export function parseNodeName(text: string): NodeName {
  if (isNodeName(text)) return text;
  throw new FogbankError(
    "FOGBANK_NAME_INVALID",
    `"${text.slice(0, 80)}" cannot name a node: use 1 to ${limits.nodeNameChars} letters, digits, ".", "_" or "-", and no dot in front`,
  );
}
