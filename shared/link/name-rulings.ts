// What a node says of a name that two nodes bear, to both of them and to those between: heartbeats carry it down. Meaning: PROTOCOL.md.
import type { NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import { asArray, asNodeName, asText } from "./fields.ts";

/** Of one of the two: `[node, uuid, parent, isRefused, other parent]`. */
export interface NameRuling {
  readonly node: NodeName;
  readonly uuid: string;
  /** To whom it is connected. */
  readonly parent: NodeName;
  /** It was there later than the other one. */
  readonly isRefused: boolean;
  /** To whom the other one is connected. */
  readonly otherParent: NodeName;
}

export function packRuling({ node, uuid, parent, isRefused, otherParent }: NameRuling): readonly unknown[] {
  return [node, uuid, parent, isRefused, otherParent];
}

export function readRulings(value: unknown): readonly NameRuling[] {
  return asArray(value, "rulings", limits.namesDisputed).map(readRuling);
}

/** For operators. */
export function textOf({ node, parent, isRefused, otherParent }: NameRuling): string {
  return isRefused
    ? `"${node}" at "${parent}" is kept out: another node of this name was at "${otherParent}" before. Give it a name of its own`
    : `"${node}" at "${parent}" goes on; another node of this name, at "${otherParent}", is kept out: give that one a name of its own`;
}

function readRuling(value: unknown): NameRuling {
  const [node, uuid, parent, isRefused, otherParent] = asArray(value, "ruling", 16);
  return {
    node: asNodeName(node, "node"),
    uuid: asText(uuid, "uuid", 64),
    parent: asNodeName(parent, "parent"),
    isRefused: isRefused === true,
    otherParent: asNodeName(otherParent, "other parent"),
  };
}
