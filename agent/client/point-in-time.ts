// Points in time as people and programs write them in queries and options.

const isoText = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** The last moment that ECMAScript's dates know. */
const timeMsMax = 8_640_000_000_000_000;

/** Milliseconds since 1970 of a whole number of these, or of ISO 8601: a day, or a time with its zone, UTC where it has none. Undefined for anything else. */
export function parsePointInTime(text: string): number | undefined {
  if (/^\d{5,16}$/.test(text)) return Number(text) <= timeMsMax ? Number(text) : undefined;
  const match = isoText.exec(text);
  if (match === null) return undefined;
  const isDay = text.length === "2026-07-10".length;
  const ms = Date.parse(`${text.replace(" ", "T")}${isDay || match[1] !== undefined ? "" : "Z"}`);
  // A day that the month does not have becomes one of the next month in some engines.
  return Number.isNaN(ms) || ms < 0 || !isDayOf(text) ? undefined : ms;
}

function isDayOf(text: string): boolean {
  const day = text.slice(0, "2026-07-10".length);
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}
