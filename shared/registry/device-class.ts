// A kind of device: what its devices may post, and which commands they take [U12].
import type { ValueRule } from "./value-rule.ts";

export interface ClassField {
  readonly name: string;
  readonly rule: ValueRule;
  /** How often it stands in a whole description of the device. With `most` above 1 its value is a list. */
  readonly least: number;
  readonly most: number;
}

export interface ClassCommand {
  readonly name: string;
  readonly parameters: readonly ClassField[];
}

export interface DeviceClass {
  /** As device topics have it behind `t-`. */
  readonly name: string;
  readonly fields: readonly ClassField[];
  readonly commands: readonly ClassCommand[];
}
