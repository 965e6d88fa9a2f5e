// What the running demo shows, in one of two ways: a picture that is drawn anew, or plain lines.
import type { TreeSample } from "./observe.ts";
import type { CommandTargets } from "./try-commands.ts";

export interface LiveView extends Disposable {
  /** A new look at the tree. `targets` once every node has been started. */
  show(sample: TreeSample, targets: CommandTargets | undefined): void;
  /** Something happened. */
  tell(text: string): void;
  /** What the user gives to have a node started again: a key, or a word in quotes. */
  readonly restoreKey: string;
}

/** `1 cloud, 1 fog and 20 devices`. */
export function treeInWords(devices: number): string {
  return `1 cloud, 1 fog and ${devices} ${devices === 1 ? "device" : "devices"}`;
}
