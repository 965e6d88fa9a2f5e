// Times, durations and sizes as people read them.

/** The two largest units: `4 s`, `2 h 5 min`, `3 d`. */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 60) return `${seconds} s`;
  if (minutes < 60) return both(minutes, "min", seconds % 60, "s");
  if (hours < 24) return both(hours, "h", minutes % 60, "min");
  return both(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** `2 min 5 s ago`, both times as ISO 8601 text. */
export function formatAgo(time: string, now: string): string {
  const ms = Date.parse(now) - Date.parse(time);
  return Number.isNaN(ms) ? "at an unknown time" : `${formatDuration(ms)} ago`;
}

/** `2026-07-10 12:00:00Z (2 min 5 s ago)`. */
export function formatSince(time: string, now: string): string {
  return `${formatTime(time)} (${formatAgo(time, now)})`;
}

/** The same for a narrow column: `2 min 5 s ago (12:00:00Z)`, with the date when it is another one. */
export function formatChange(time: string, now: string): string {
  const text = formatTime(time);
  const today = formatTime(now).slice(0, "2026-07-10 ".length);
  return `${formatAgo(time, now)} (${text.startsWith(today) ? text.slice(today.length) : text})`;
}

/** To the second: `2026-07-10 12:00:00Z`. */
export function formatTime(time: string): string {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? "unknown time" : `${new Date(ms).toISOString().slice(0, 19).replace("T", " ")}Z`;
}

export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < units.length - 1; unit++) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit] ?? ""}`;
}

function both(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}
