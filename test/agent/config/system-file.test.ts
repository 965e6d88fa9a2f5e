import { expect, test } from "vitest";
import { systemConfigFile } from "#agent/config/system-file.ts";

const [ours, first, second] = ["/etc/fogbank/fogbank.conf", "/etc/utopia/utopiad.conf", "/etc/utopiad.conf"] as const;

const failure = (code: string): Error => Object.assign(new Error(code), { code });

/** The file that is read where these are, or cannot be read. */
function chosenOf(files: Readonly<Record<string, string | Error>>): string | undefined {
  return systemConfigFile((path) => {
    const text = files[path] ?? failure("ENOENT");
    if (text instanceof Error) throw text;
    return text;
  });
}

test("[U17] [U-T3] the first file that is there is read, and no other", () => {
  expect(chosenOf({ [ours]: "", [first]: "", [second]: "" })).toBe(ours);
  expect(chosenOf({ [first]: "", [second]: "" })).toBe(first);
  expect(chosenOf({ [second]: "" })).toBe(second);
  expect(chosenOf({})).toBeUndefined();
  expect(chosenOf({ [first]: failure("ENOTDIR"), [second]: "" })).toBe(second);
});

test("[U17] a file that is there and cannot be read is the one: no other is taken in its place", () => {
  expect(chosenOf({ [ours]: failure("EACCES"), [first]: "" })).toBe(ours);
});

test("[U17] a runtime that may not look there finds nothing", () => {
  const refusal = new Error("Requires read access");
  expect(chosenOf({ [ours]: refusal, [first]: refusal })).toBeUndefined();
});
