// All kinds of faults by name, and those that are left out by default.
import type { Fault } from "./fault.ts";
import { linkFaults } from "./link-faults.ts";
import { dataFaults } from "./data-faults.ts";
import { nodeFaults } from "./node-faults.ts";

const byName = { ...linkFaults, ...nodeFaults, ...dataFaults };

export type FaultName = keyof typeof byName;

export const faults: Readonly<Record<FaultName, Fault>> = byName;

export const faultNames = Object.keys(byName) as readonly FaultName[];

/** What nodes do not survive yet, and why. */
export const switchedOff: Readonly<Partial<Record<FaultName, string>>> = {};

export const faultsByDefault: readonly FaultName[] = faultNames.filter((name) => switchedOff[name] === undefined);
