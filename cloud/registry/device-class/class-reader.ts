// Reads one file of device classes: a schema, which is a class, or an instance, which describes one device.
import type { PlainValue } from "#shared/machine/plain-value.ts";
import { checkWhole } from "#shared/registry/class-check.ts";
import type { DeviceClass } from "#shared/registry/device-class.ts";
import { isSchema, readDeviceClass } from "./class-schema.ts";
import type { XmlLibrary, XmlTree } from "./xml-library.ts";
import type { XmlProblem } from "./xml-text.ts";

export type ReadFile =
  | { readonly type: "schema"; readonly deviceClass: DeviceClass; readonly schema: string }
  /** Of which class its root element says. */
  | { readonly type: "instance"; readonly className: string; readonly text: string; readonly line: number };

/** What a file says. Texts are those of `readXmlText`. */
export interface ClassReader {
  read(text: string): ReadFile | XmlProblem;
  /** The device that an instance describes, in the types of its class. */
  readInstance(
    deviceClass: DeviceClass,
    schema: string,
    instance: string,
  ): { readonly values: PlainValue } | XmlProblem;
}

export function createClassReader(xml: XmlLibrary): ClassReader {
  return {
    read: (text) => {
      const parsed = xml.parse(text);
      if ("reason" in parsed) return parsed;
      if (!isSchema(parsed)) {
        const { name, line } = parsed.root;
        return { type: "instance", className: name, text, line };
      }
      const deviceClass = readDeviceClass(parsed);
      if ("reason" in deviceClass) return deviceClass;
      return xml.schemaProblem(text) ?? { type: "schema", deviceClass, schema: text };
    },
    readInstance: (deviceClass, schema, instance) => {
      const problem = xml.instanceProblem(schema, instance);
      if (problem !== undefined) return problem;
      const parsed = xml.parse(instance);
      if ("reason" in parsed) return parsed;
      const checked = checkWhole(deviceClass, recordOf(deviceClass, parsed.root));
      return "reason" in checked ? { line: parsed.root.line, reason: checked.reason } : { values: checked.value };
    },
  };
}

/** Texts by the names of their elements. What may stand more than once is a list, even where it stands once [U-T9]. */
function recordOf(deviceClass: DeviceClass, { children }: XmlTree): PlainValue {
  const record = Object.create(null) as Record<string, PlainValue>;
  for (const { name, most } of deviceClass.fields) {
    const texts = children.filter((child) => child.name === name).map(({ text }) => text);
    const [only] = texts;
    if (only !== undefined) record[name] = most > 1 ? texts : only;
  }
  return record;
}
