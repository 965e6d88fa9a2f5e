// What tells one life of a database file from another: numbers that a copy gives must not pass for those of the original.

/** Undefined where the system does not tell. */
export interface Fingerprint {
  /** Changes with each start of the operating system. */
  readonly bootId: string | undefined;
  /** Device and inode of the file, and when it was made: a copy has others. */
  readonly file: string | undefined;
  readonly birth: string | undefined;
}

/** `reboot`: the machine was started anew, and its disk may have been put back meanwhile. `other-file`: a restored or copied file. */
export type Renewal = "reboot" | "other-file";

/** What has changed since `known` was remembered. What is not known on either side is no evidence. */
export function renewalOf(known: Fingerprint, now: Fingerprint): Renewal | undefined {
  if (differs(known.file, now.file) || differs(known.birth, now.birth)) return "other-file";
  return differs(known.bootId, now.bootId) ? "reboot" : undefined;
}

function differs(a: string | undefined, b: string | undefined): boolean {
  return a !== undefined && b !== undefined && a !== b;
}
