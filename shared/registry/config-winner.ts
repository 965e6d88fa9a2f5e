// Whose version of a file wins where fellows hold different ones (AGREEMENT.md). The same claims give the same answer everywhere.

/** One fellow with a version of the file. */
export interface Holder {
  readonly fellow: string;
  /** Its configuration weight: not negative, apart from the weights by which responders are chosen. */
  readonly weight: number;
  /** Of the file's bytes. */
  readonly hash: string;
}

export interface Winner {
  readonly hash: string;
  /** Who has it and is asked for it: of most weight, then of the lower name. */
  readonly fellow: string;
}

/**
 * The version whose holders have the most weight together; of two with the same, the one with the holder of the lower name. In the order
 * of names there is no chance, and no clock. Undefined when nobody has the file.
 */
export function chooseWinner(holders: readonly Holder[]): Winner | undefined {
  const byName = holders.toSorted((a, b) => (a.fellow < b.fellow ? -1 : 1));
  const scores = new Map<string, number>();
  for (const { hash, weight } of byName) scores.set(hash, (scores.get(hash) ?? 0) + weight);
  // A map keeps the order in which its keys came: that of the lowest names.
  const [first, ...others] = scores;
  if (first === undefined) return undefined;
  const [hash] = others.reduce((best, one) => (one[1] > best[1] ? one : best), first);
  const [lead, ...more] = byName.filter((holder) => holder.hash === hash);
  if (lead === undefined) return undefined;
  return { hash, fellow: more.reduce((best, one) => (one.weight > best.weight ? one : best), lead).fellow };
}
