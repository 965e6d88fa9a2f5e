// Rules of MQTT topic names and filters (MQTT 3.1.1, section 4.7). Pure text, no state.
import { limits } from "../limits.ts";

/** What `/from/<node>/` or `$share/<group>/` can add to a filter. */
const filterBytes = 512;

/** What `/from/<node>/` can add to a topic. */
const fromBytes = 7 + limits.nodeNameChars;
const fromLevels = 3;

const slash = 47;
const plus = 43;
const hash = 35;
const dollar = 36;

/** Whether a client may publish on `text`: a legal name [MQTT-3.3.2-2] within `limits.topicBytes` and `limits.topicLevels`. */
export function isTopicName(text: string): boolean {
  return isName(text, limits.topicBytes, limits.topicLevels);
}

/** Whether the node itself may: there is room for `/from/<node>` in front of any client's topic. */
export function isNodeTopicName(text: string): boolean {
  return isName(text, limits.topicBytes + fromBytes, limits.topicLevels + fromLevels);
}

/** Whether `text` is a legal topic filter [MQTT-4.7.1-2], [MQTT-4.7.1-3] with no more levels than a topic may have. */
export function isTopicFilter(text: string): boolean {
  if (!isLegalText(text, limits.topicBytes + filterBytes) || levelCount(text) > limits.topicLevels + fromLevels)
    return false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code !== plus && code !== hash) continue;
    if (at > 0 && text.charCodeAt(at - 1) !== slash) return false;
    const last = at === text.length - 1;
    if (code === hash ? !last : !last && text.charCodeAt(at + 1) !== slash) return false;
  }
  return true;
}

/** Whether the legal `filter` matches the legal `topic` name. Wildcards in front never match a topic that starts with `$` [MQTT-4.7.2-1]. */
export function matchesFilter(filter: string, topic: string): boolean {
  if (hidesFromWildcards(topic) && startsWithWildcard(filter)) return false;
  let f = 0;
  let t = 0;
  for (;;) {
    if (filter.charCodeAt(f) === hash) return true;
    const filterEnd = levelEnd(filter, f);
    const topicEnd = levelEnd(topic, t);
    const isPlus = filterEnd === f + 1 && filter.charCodeAt(f) === plus;
    if (!isPlus && !sameSpan(filter, f, filterEnd, topic, t, topicEnd)) return false;
    const filterDone = filterEnd === filter.length;
    if (topicEnd === topic.length) return filterDone || isHashTail(filter, filterEnd); // "a/#" matches "a"
    if (filterDone) return false;
    f = filterEnd + 1;
    t = topicEnd + 1;
  }
}

/** Whether `allowed` matches every topic that `wanted` matches; both are legal filters. */
export function coversFilter(allowed: string, wanted: string): boolean {
  if (hidesFromWildcards(wanted) && startsWithWildcard(allowed)) return false;
  const allowedLevels = allowed.split("/");
  const wantedLevels = wanted.split("/");
  for (let at = 0; ; at++) {
    const may = allowedLevels[at];
    const wants = wantedLevels[at];
    if (may === "#") return true; // "a/#" covers "a"
    if (may === undefined || wants === undefined) return may === wants;
    if (wants === "#") return at === 0 && allowed === "+/#"; // at the first level only, every topic has one
    if (may !== "+" && may !== wants) return false;
  }
}

/** Whether only filters that name its first level match this topic [MQTT-4.7.2-1]. */
export function hidesFromWildcards(topic: string): boolean {
  return topic.charCodeAt(0) === dollar;
}

function isName(text: string, bytesMax: number, levelsMax: number): boolean {
  return isLegalText(text, bytesMax) && levelCount(text) <= levelsMax && !/[+#]/.test(text); // [MQTT-4.7.1-1]
}

function startsWithWildcard(filter: string): boolean {
  const code = filter.charCodeAt(0);
  return code === plus || code === hash;
}

function levelEnd(text: string, from: number): number {
  const at = text.indexOf("/", from);
  return at === -1 ? text.length : at;
}

function sameSpan(a: string, aFrom: number, aTo: number, b: string, bFrom: number, bTo: number): boolean {
  if (aTo - aFrom !== bTo - bFrom) return false;
  for (let at = aFrom, other = bFrom; at < aTo; at++, other++) {
    if (a.charCodeAt(at) !== b.charCodeAt(other)) return false;
  }
  return true;
}

/** Whether what is left of `filter` from `at` is exactly `/#`. */
function isHashTail(filter: string, at: number): boolean {
  return at === filter.length - 2 && filter.charCodeAt(at + 1) === hash;
}

function levelCount(text: string): number {
  let levels = 1;
  for (let at = text.indexOf("/"); at !== -1; at = text.indexOf("/", at + 1)) levels++;
  return levels;
}

/** 1 to `bytesMax` UTF-8 bytes [MQTT-4.7.3-1], no U+0000 [MQTT-4.7.3-2], no lone surrogate [MQTT-1.5.3-1]. */
function isLegalText(text: string, bytesMax: number): boolean {
  if (text.length === 0 || text.length > bytesMax) return false;
  let bytes = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0) return false;
    if (code < 0x80) bytes += 1;
    else if (code < 0x800) bytes += 2;
    else if (code < 0xd800 || code > 0xdfff) bytes += 3;
    else {
      const low = text.charCodeAt(at + 1);
      if (code > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) return false;
      bytes += 4;
      at++;
    }
  }
  return bytes <= bytesMax;
}
