// What each payload of the generator begins with: who published it, its number there, and when. Digits, so that it can be read
// back through the HTTP API as text. Pure.
//
//   ppppnnnnnnnnnntttttttttttttttt…      publisher, number from 0, microseconds of the generator's clock

const publisherDigits = 4;
const numberDigits = 10;
const timeDigits = 16;

export const stampBytes = publisherDigits + numberDigits + timeDigits;

export interface Stamp {
  readonly publisher: number;
  readonly number: number;
  readonly timeMs: number;
}

export function writeStamp(bytes: Uint8Array, at: number, publisher: number, number: number, timeMs: number): void {
  writeDigits(bytes, at, publisherDigits, publisher);
  writeDigits(bytes, at + publisherDigits, numberDigits, number);
  writeDigits(bytes, at + publisherDigits + numberDigits, timeDigits, Math.round(timeMs * 1000));
}

/** Fields are NaN where no stamp stands. */
export function readStamp(bytes: Uint8Array, at: number): Stamp {
  return {
    publisher: readDigits(bytes, at, publisherDigits),
    number: readDigits(bytes, at + publisherDigits, numberDigits),
    timeMs: readDigits(bytes, at + publisherDigits + numberDigits, timeDigits) / 1000,
  };
}

function writeDigits(bytes: Uint8Array, at: number, digits: number, value: number): void {
  let left = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const rest = Math.floor(left / 10);
    bytes[i] = 48 + (left - 10 * rest);
    left = rest;
  }
}

function readDigits(bytes: Uint8Array, at: number, digits: number): number {
  let value = 0;
  for (let i = at; i < at + digits; i++) {
    const digit = (bytes[i] ?? 0) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = 10 * value + digit;
  }
  return value;
}
