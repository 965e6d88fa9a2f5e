// Where a node stands, who bears its name, and what is reported of nodes below. Keys and meaning: PROTOCOL.md.
import { levels, type Level, type NodeName } from "../ids.ts";
import { limits } from "../limits.ts";
import { Malformed, asArray, asNodeName, asText, asTimeMs, asUint, optional, u32Max } from "./fields.ts";
import { packSite, readSite, type NodeSite } from "./node-site.ts";

/** Place of a node as its parent and its operators see it. */
export interface NodePlace {
  readonly level: Level;
  readonly zone: string | undefined;
  readonly tags: readonly string[];
  /** Absent when a node on the way does not know of such things. */
  readonly site?: NodeSite;
}

/** Who bears a name: `[uuid, epochs, parents]`. */
export interface Bearer {
  readonly uuid: string;
  /** The present one of its database first, then those of which it still has messages. */
  readonly epochs: readonly number[];
  /** To whom it was connected before, the latest first: they may have messages of it. */
  readonly parents: readonly NodeName[];
}

/** A node below, as reported upward: `[name, parent, level, zone, tags, online, sinceMs, bearer | null, isKeptOut, site?]`. */
export interface Descendant extends NodePlace {
  readonly name: NodeName;
  readonly parent: NodeName;
  readonly online: boolean;
  /** When that changed, milliseconds since 1970. */
  readonly sinceMs: number;
  readonly bearer?: Bearer;
  /** It tries to connect, and is kept out for its name. */
  readonly isKeptOut?: boolean;
}

export function packPlace(place: NodePlace): readonly unknown[] {
  const { level, zone, tags, site } = place;
  return [levels.indexOf(level), zone ?? null, tags, ...(site === undefined ? [] : [packSite(site)])];
}

export function packDescendant(node: Descendant): readonly unknown[] {
  return [
    node.name,
    node.parent,
    levels.indexOf(node.level),
    node.zone ?? null,
    node.tags,
    node.online,
    BigInt(node.sinceMs),
    ...descendantTail(node),
  ];
}

/** Bearer, kept out, site: what is absent at the end is left out. */
function descendantTail({ bearer, isKeptOut, site }: Descendant): readonly unknown[] {
  const packed = bearer === undefined ? null : [bearer.uuid, bearer.epochs, bearer.parents];
  const isOut = bearer !== undefined && isKeptOut === true;
  if (site !== undefined) return [packed, isOut, packSite(site)];
  if (isOut) return [packed, isOut];
  return packed === null ? [] : [packed];
}

export function readPlace(value: unknown): NodePlace {
  const [level, zone, tags, site] = asArray(value, "place", 16);
  return { level: readLevel(level), zone: readZone(zone), tags: readTags(tags), ...readSite(site) };
}

export function readDescendant(value: unknown): Descendant {
  const [name, parent, level, zone, tags, online, sinceMs, ...tail] = asArray(value, "descendant", 16);
  const [bearerValue, keptOut, site] = tail;
  const bearer = optional(bearerValue, readBearer);
  return {
    ...(bearer === undefined ? {} : { bearer }),
    ...(keptOut === true ? { isKeptOut: true } : {}),
    name: asNodeName(name, "descendant"),
    parent: asNodeName(parent, "its parent"),
    level: readLevel(level),
    zone: readZone(zone),
    tags: readTags(tags),
    online: online === true,
    sinceMs: asTimeMs(sinceMs, "since"),
    ...readSite(site),
  };
}

function readBearer(value: unknown): Bearer {
  const [uuid, epochs, parents] = asArray(value, "bearer", 16);
  return {
    uuid: asText(uuid, "uuid", 64),
    epochs: asArray(epochs, "epochs", limits.epochsTold).map((epoch) => asUint(epoch, "epoch", u32Max)),
    parents: readParents(parents),
  };
}

export function readParents(value: unknown): readonly NodeName[] {
  return asArray(value, "former parents", limits.formerParents).map((name) => asNodeName(name, "former parent"));
}

export function readLevel(value: unknown): Level {
  const level = levels[asUint(value, "level", 255)];
  if (level === undefined) throw new Malformed("unknown level");
  return level;
}

function readZone(value: unknown): string | undefined {
  return optional(value, (zone) => asText(zone, "zone", 256));
}

function readTags(value: unknown): readonly string[] {
  return asArray(value, "tags", 64).map((tag) => asText(tag, "tag", 256));
}
