// How people and programs name devices: by unique id, host, class, zone or topic focus.
import { isTopicName } from "../mqtt/topic.ts";
import { registryLimits } from "./bounds.ts";
import { isLevelName } from "./device-topic.ts";
import { formatUniqueId, isSameId, parseUniqueId, type UniqueId } from "./unique-id.ts";

/** Every name of a device, as the registry has them [U1]. */
export interface DeviceNames {
  readonly host: string;
  readonly uniqueId: UniqueId;
  readonly deviceClass: string;
  readonly deviceZone: string;
  /** "usually something like `/hostname/uuid/class`": as it is written, leading slash included. */
  readonly topicFocus: string;
}

export type DeviceReference =
  | { readonly by: "id"; readonly id: UniqueId }
  /** All devices of that host, class or zone. */
  | { readonly by: "host"; readonly host: string }
  | { readonly by: "class"; readonly deviceClass: string }
  | { readonly by: "zone"; readonly zone: string }
  | { readonly by: "topic"; readonly topicFocus: string };

/**
 * `42`, `0x2a`, `id:42` or a uuid; `/hostname/uuid/class` or another topic; `host:10.0.0.1`, `class:light`, `zone:hall`; any other text is
 * a host. Undefined when it can name nothing.
 */
export function parseDeviceReference(text: string): DeviceReference | undefined {
  if (text.startsWith("/")) return isTopicName(text) ? { by: "topic", topicFocus: text } : undefined;
  const [, kind, name = ""] = /^(id|host|class|zone):(.*)$/su.exec(text) ?? [];
  switch (kind) {
    case "id":
      return byId(name);
    case "class":
      return isLevelName(name, registryLimits.classChars) ? { by: "class", deviceClass: name } : undefined;
    case "zone":
      return isLevelName(name, registryLimits.zoneChars) ? { by: "zone", zone: name } : undefined;
    case "host":
      return byHost(name);
    default:
      return byId(text) ?? byHost(text);
  }
}

/** The form that says what it is, whatever the name looks like: `parseDeviceReference` reads it. */
export function formatDeviceReference(reference: DeviceReference): string {
  switch (reference.by) {
    case "id":
      return `id:${formatUniqueId(reference.id)}`;
    case "host":
      return `host:${reference.host}`;
    case "class":
      return `class:${reference.deviceClass}`;
    case "zone":
      return `zone:${reference.zone}`;
    case "topic":
      return reference.topicFocus;
  }
}

export function isDeviceMeant(reference: DeviceReference, device: DeviceNames): boolean {
  switch (reference.by) {
    case "id":
      return isSameId(reference.id, device.uniqueId);
    case "host":
      return reference.host === device.host;
    case "class":
      return reference.deviceClass === device.deviceClass;
    case "zone":
      return reference.zone === device.deviceZone;
    case "topic":
      return reference.topicFocus === device.topicFocus || isFocusOf(reference.topicFocus, device);
  }
}

/** `/hostname/uuid/class`: what a device without a topic of its own is given. */
export function usualTopicFocus({
  host,
  uniqueId,
  deviceClass,
}: Omit<DeviceNames, "topicFocus" | "deviceZone">): string {
  return `/${host}/${formatUniqueId(uniqueId)}/${deviceClass}`;
}

/** Whether a topic of the usual form names it, its id in any form: `/hall-1/0x2A/light` is `/hall-1/42/light`. */
function isFocusOf(topic: string, device: DeviceNames): boolean {
  const [root, host, idText, deviceClass, ...more] = topic.split("/");
  const id = parseUniqueId(idText);
  if (root !== "" || more.length > 0 || id === undefined) return false;
  return host === device.host && deviceClass === device.deviceClass && isSameId(id, device.uniqueId);
}

function byId(text: string): DeviceReference | undefined {
  const id = parseUniqueId(text);
  return id === undefined ? undefined : { by: "id", id };
}

function byHost(host: string): DeviceReference | undefined {
  return isLevelName(host, registryLimits.hostChars) ? { by: "host", host } : undefined;
}
