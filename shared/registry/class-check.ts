// Whether what a device says, or is told, is what its class allows.
import type { PlainValue } from "../machine/plain-value.ts";
import type { ClassField, DeviceClass } from "./device-class.ts";
import { type DevicePost, type PostedValue, untypedValue } from "./device-post.ts";
import { checkScalar, type Scalar } from "./value-rule.ts";

export type PostVerdict =
  /** `value` has the types of the class. */
  | { readonly type: "fits"; readonly value: PlainValue }
  /** The class has no such post: it goes to the dictionary of the device as it comes. */
  | { readonly type: "unknown"; readonly value: PlainValue }
  | { readonly type: "unfit"; readonly value: PlainValue; readonly reason: string };

/** What becomes of a post that does not fit. */
export type UnfitPolicy = "accept-and-mark" | "refuse";

export type PostOutcome =
  /** `mark`: what is wrong with it. */
  | { readonly type: "store"; readonly value: PlainValue; readonly mark?: string }
  | { readonly type: "refuse"; readonly reason: string };

type Checked = { readonly value: PlainValue } | { readonly reason: string };

/**
 * A post is the name of a field of the class, or the name of the class for a record of its fields; `p-light/state` is `p-state` of the
 * class `light`. A device without a class may post anything.
 */
export function checkPost(deviceClass: DeviceClass | undefined, given: DevicePost): PostVerdict {
  const { posted } = given;
  const [post, path] = placeIn(deviceClass, given);
  const field = deviceClass?.fields.find(({ name }) => name === post);
  const isWhole = post === deviceClass?.name && path.length === 0;
  if (deviceClass === undefined || (field === undefined && !isWhole))
    return { type: "unknown", value: untypedValue(posted) };
  const checked = checkPlace(deviceClass, field, path, posted);
  return "value" in checked
    ? { type: "fits", value: checked.value }
    : { type: "unfit", value: untypedValue(posted), reason: checked.reason };
}

/** Arguments of a command, in the types of the class. Commands that the class does not name are refused. */
export function checkCommand(deviceClass: DeviceClass, name: string, given: PlainValue): Checked {
  const command = deviceClass.commands.find((one) => one.name === name);
  if (command === undefined) {
    const known = deviceClass.commands.map((one) => one.name).join(", ");
    return { reason: `${deviceClass.name} has no command "${name.slice(0, 64)}"; it takes ${known || "none"}` };
  }
  return checkRecord(command.parameters, given);
}

/** What is done with a post by the policy of the installation. */
export function applyPolicy(policy: UnfitPolicy, verdict: PostVerdict): PostOutcome {
  const { type, value } = verdict;
  if (type !== "unfit") return { type: "store", value };
  return policy === "refuse"
    ? { type: "refuse", reason: verdict.reason }
    : { type: "store", value, mark: verdict.reason };
}

/** A record of all fields of the class, none missing, none more. */
export function checkWhole(deviceClass: DeviceClass, given: PlainValue): Checked {
  return checkRecord(deviceClass.fields, given);
}

function placeIn(deviceClass: DeviceClass | undefined, given: DevicePost): readonly [string, readonly string[]] {
  const { post, path } = given;
  const [inner] = path;
  const isField = deviceClass?.fields.some(({ name }) => name === post) ?? false;
  return !isField && post === deviceClass?.name && inner !== undefined ? [inner, path.slice(1)] : [post, path];
}

function checkPlace(
  deviceClass: DeviceClass,
  field: ClassField | undefined,
  path: readonly string[],
  posted: PostedValue,
): Checked {
  const given = posted.type === "text" ? posted.text : posted.value;
  if (field === undefined) return checkWhole(deviceClass, given);
  if (path.length > 0) return { reason: `${field.name} has no part "${path.join("/").slice(0, 64)}"` };
  return checkField(field, given);
}

function checkRecord(fields: readonly ClassField[], given: PlainValue): Checked {
  if (!isRecord(given)) return { reason: `expected a record, found ${kindOf(given)}` };
  const unknown = Object.keys(given).find((name) => !fields.some((field) => field.name === name));
  if (unknown !== undefined) return { reason: `"${unknown.slice(0, 64)}" is not known` };
  // Without a prototype: a field may be called __proto__.
  const record = Object.create(null) as Record<string, PlainValue>;
  for (const field of fields) {
    const value = Object.hasOwn(given, field.name) ? given[field.name] : undefined;
    if (value === undefined) {
      if (field.least > 0) return { reason: `${field.name} is missing` };
      continue;
    }
    const checked = checkField(field, value);
    if ("reason" in checked) return checked;
    record[field.name] = checked.value;
  }
  return { value: record };
}

/** A single value stands for a list of one, where a list is expected. */
function checkField({ name, rule, least, most }: ClassField, given: PlainValue): Checked {
  const items = isList(given) ? given : [given];
  if (most <= 1 && isList(given)) return { reason: `${name}: expected one value, found a list` };
  if (most > 1 && (items.length < least || items.length > most))
    return { reason: `${name}: expected ${least} to ${most} values, found ${items.length}` };
  const values: PlainValue[] = [];
  for (const item of items) {
    if (!isScalar(item)) return { reason: `${name}: expected a single value, found ${kindOf(item)}` };
    const checked = checkScalar(rule, item);
    if ("reason" in checked) return { reason: `${name}: ${checked.reason}` };
    values.push(checked.value);
  }
  const [only] = values;
  return { value: most > 1 || only === undefined ? values : only };
}

function isScalar(value: PlainValue): value is Scalar {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean";
}

function isList(value: PlainValue): value is readonly PlainValue[] {
  return Array.isArray(value);
}

function isRecord(value: PlainValue): value is { readonly [key: string]: PlainValue } {
  return typeof value === "object" && value !== null && !isList(value) && !(value instanceof Uint8Array);
}

function kindOf(value: PlainValue): string {
  if (value === null) return "null";
  if (isList(value)) return "a list";
  if (value instanceof Uint8Array) return "bytes";
  return isRecord(value) ? "a record" : `a ${typeof value}`;
}
