// What a configuration text may cost to read, whoever wrote it.

export const libconfigLimits = {
  /** Characters of one file: core settings take a few thousand. */
  fileChars: 256 * 1024,
  /** Groups, lists and arrays inside each other: the parser recurses once for each. */
  depth: 32,
  /** Files that include each other in a row, as in libconfig itself. */
  includeDepth: 10,
  /** Included files altogether: ten levels of a few includes each would otherwise multiply. */
  includes: 100,
} as const;
