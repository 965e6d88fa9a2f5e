// How much of device classes there may be, whoever wrote the files.

const kib = 1024;
const mib = 1024 * kib;

export const classLimits = {
  /** Bytes of one file: a class of two hundred fields takes a tenth of it. */
  fileBytes: 256 * kib,
  /** Files in one folder, and bytes of all of them that are kept. */
  files: 1_000,
  totalBytes: 16 * mib,
  /** Fields of a class and of a command, and commands: each is looked for by name in every post. */
  fields: 200,
  commands: 100,
  /** Values in one list. */
  listItems: 1_000,
  /** Values that one rule chooses from. */
  choices: 1_000,
  /** Time between two looks at the folders [U13], [C12]. */
  pollMs: 30_000,
  /** A file is read when it has not changed for so long: it may be half-written [U-T6]. */
  settleMs: 500,
} as const;
