// A span of time as an option's value.
import { InvalidArgumentError } from "commander";
import { limits } from "#shared/limits.ts";

/** Seconds with at most three decimals, as long as a call may live. Throws commander's InvalidArgumentError. */
export function parseSeconds(text: string): number {
  const seconds = Number(text);
  const secondsMax = limits.callTtlMsMax / 1000;
  if (/^\d{1,6}(\.\d{1,3})?$/.test(text) && seconds > 0 && seconds <= secondsMax) return seconds;
  throw new InvalidArgumentError(`Expected seconds, more than 0 and at most ${secondsMax}.`);
}
