// The topics on which devices post: `/${host|uuid}/z${zone}/t-${class}/i-${id}/p-${post}/…`. Topics stay on the wire as they were
// published; this is what one says (DEVICES.md).
import { FogbankError } from "../errors.ts";
import { isTopicName } from "../mqtt/topic.ts";
import { registryLimits } from "./bounds.ts";
import { formatHexId, formatUniqueId, parseHexId, parseUuid, type UniqueId } from "./unique-id.ts";

/** Who speaks for a device: the server or gateway that it hangs on. */
export type DeviceHost =
  | { readonly type: "hostname"; readonly name: string }
  | { readonly type: "uuid"; readonly value: string };

export interface DeviceTopic {
  readonly host: DeviceHost;
  /** Access point, router or VLAN. */
  readonly zone: string;
  /** Kind of device: the name of a device class, if there is one for it. */
  readonly deviceClass: string;
  readonly id: UniqueId;
  /** What is posted: the name of an attribute of the class, or any other. */
  readonly post: string;
  /** The levels behind the post; there may be none. */
  readonly rest: readonly string[];
}

/** Matches every device topic, and others that `parseDeviceTopic` tells apart: MQTT has no wildcard for a part of a level. */
export const deviceTopicFilter = "/+/+/+/+/+/#";

/** What `topic` says; undefined when it is no device topic. The leading slash belongs to it [U-T11]. */
export function parseDeviceTopic(topic: string): DeviceTopic | undefined {
  if (!isTopicName(topic)) return undefined;
  const [root, host, zone, kind, id, post, ...rest] = topic.split("/");
  if (root !== "" || host === undefined || rest.length > registryLimits.dataLevels) return undefined;
  const zoneName = named(zone, "z", registryLimits.zoneChars);
  const deviceClass = named(kind, "t-", registryLimits.classChars);
  const uniqueId = id?.startsWith("i-") ? parseHexId(id.slice(2)) : undefined;
  const postName = named(post, "p-", registryLimits.postChars);
  if (!isLevelName(host, registryLimits.hostChars) || zoneName === undefined) return undefined;
  if (deviceClass === undefined || uniqueId === undefined || postName === undefined) return undefined;
  return { host: parseDeviceHost(host), zone: zoneName, deviceClass, id: uniqueId, post: postName, rest };
}

/** The topic that says `parts`, its id in the shortest form. Throws FOGBANK_TOPIC_INVALID when no topic can say that. */
export function formatDeviceTopic(parts: DeviceTopic): string {
  const { host, zone, deviceClass, id, post, rest } = parts;
  const head = ["", formatDeviceHost(host), `z${zone}`, `t-${deviceClass}`, `i-${formatHexId(id)}`, `p-${post}`];
  const topic = [...head, ...rest].join("/");
  const told = parseDeviceTopic(topic);
  if (told !== undefined && says(told, parts)) return topic;
  throw new FogbankError("FOGBANK_TOPIC_INVALID", `"${topic.slice(0, 200)}" would not say what it was made of`);
}

/** A level that is a uuid is one; any other is a host name. */
function parseDeviceHost(level: string): DeviceHost {
  const uuid = parseUuid(level);
  return uuid?.type === "uuid" ? uuid : { type: "hostname", name: level };
}

function formatDeviceHost(host: DeviceHost): string {
  return host.type === "uuid" ? host.value : host.name;
}

/** Whether `text` can be one level of a topic that names something: not empty, no wildcard, no control character. */
export function isLevelName(text: string, charsMax: number): boolean {
  return text.length <= charsMax && /^[^/+#\p{Cc}\p{Cs}]+$/u.test(text);
}

function named(level: string | undefined, prefix: string, charsMax: number): string | undefined {
  if (level === undefined || !level.startsWith(prefix)) return undefined;
  const name = level.slice(prefix.length);
  return isLevelName(name, charsMax) ? name : undefined;
}

function says(told: DeviceTopic, parts: DeviceTopic): boolean {
  const keyOf = ({ host, zone, deviceClass, id, post, rest }: DeviceTopic): string =>
    JSON.stringify([host.type, formatDeviceHost(host), zone, deviceClass, id.type, formatUniqueId(id), post, rest]);
  return keyOf(told) === keyOf(parts);
}
