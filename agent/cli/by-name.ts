// The order of node names for people: device-9 before device-10.

/** Made on first use: a node, which lists nothing, starts without its tables. */
let collator: Intl.Collator | undefined;

export function byName(a: string, b: string): number {
  collator ??= new Intl.Collator("en", { numeric: true });
  return collator.compare(a, b);
}
