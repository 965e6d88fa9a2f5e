// For what can only be our own bug: the process stops and its supervisor starts it again; nobody catches this.

/** Throws when `condition` does not hold. `sentence` says what must be true. */
export function assert(condition: unknown, sentence: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${sentence}`);
}
