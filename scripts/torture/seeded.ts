// Chance that a seed repeats: mulberry32, small and good enough to choose victims and sizes.

export interface Seeded {
  /** In [0, 1). */
  unit(): number;
  /** A whole number from `min` to `max`, both included. */
  between(min: number, max: number): number;
  /** One of `choices`, which has at least one. */
  pick<T>(choices: readonly T[]): T;
  /** A generator of its own for `purpose`, so that what one part draws does not shift what another one gets. */
  fork(purpose: string): Seeded;
}

export function seeded(seed: number): Seeded {
  let state = seed | 0;
  const unit = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (min: number, max: number): number => min + Math.floor(unit() * (max - min + 1));
  return {
    unit,
    between,
    pick<T>(choices: readonly T[]): T {
      const picked = choices[between(0, choices.length - 1)];
      if (picked === undefined) throw new Error("nothing to pick from");
      return picked;
    },
    fork: (purpose) => seeded(hashOf(`${seed}/${purpose}`)),
  };
}

/** FNV-1a. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ (char.codePointAt(0) ?? 0), 0x01000193);
  return hash;
}
