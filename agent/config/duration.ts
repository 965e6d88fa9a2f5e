// A time span as people write it: a whole number and its unit.

const msByUnit: ReadonlyMap<string, number> = new Map([
  ["s", 1_000],
  ["m", 60_000],
  ["h", 3_600_000],
  ["d", 86_400_000],
]);
/** A hundred years. */
const daysMax = 36_500;

/** Milliseconds of `90s`, `15m`, `36h` or `7d`; nothing when `text` is anything else, or no time at all. */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,10})\s*([smhd])$/.exec(text) ?? [];
  const msOfUnit = msByUnit.get(unit ?? "");
  if (digits === undefined || msOfUnit === undefined) return undefined;
  const ms = Number(digits) * msOfUnit;
  return ms === 0 || ms > daysMax * 86_400_000 ? undefined : ms;
}
