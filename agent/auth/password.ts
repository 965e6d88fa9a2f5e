// Passwords as the users file keeps them: scrypt, off the event loop, a few at a time.
import { createHmac, randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from "node:crypto";
import { limits } from "#shared/limits.ts";

interface PasswordHash {
  readonly costLog2: number;
  readonly blockSize: number;
  readonly parallel: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

/** `busy`: so many are waiting that this one was not looked at. */
export type PasswordVerdict = "right" | "wrong" | "busy";

export interface PasswordChecker {
  /** `hash` is undefined for a name that nobody has: the answer is `wrong`, after the same time. */
  readonly check: (hash: string | undefined, password: Uint8Array) => Promise<PasswordVerdict>;
}

const defaults = { costLog2: 15, blockSize: 8, parallel: 1 };
const saltBytes = 16;
const keyBytes = 32;
/** Beyond these a hash would hold memory that nobody has asked for: 128 MiB at most. */
const costLog2Max = 17;
const rememberedMax = 10_000;

const hashPattern = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d)\$([A-Za-z0-9+/]{22,86})\$([A-Za-z0-9+/]{43})$/;

/** `$scrypt$ln=15,r=8,p=1$<salt>$<key>`, with a salt of its own. */
export async function hashPassword(password: Uint8Array): Promise<string> {
  const salt = randomBytes(saltBytes);
  const key = await derive(password, { ...defaults, salt });
  const { costLog2, blockSize, parallel } = defaults;
  return `$scrypt$ln=${costLog2},r=${blockSize},p=${parallel}$${base64(salt)}$${base64(key)}`;
}

/** Whether `text` is a hash that `check` can use. */
export function isPasswordHash(text: string): boolean {
  return parseHash(text) !== undefined;
}

/** Remembers, by a key of this process alone, which password was right last: a device that comes back is not made to wait. */
export function createPasswordChecker(): PasswordChecker {
  const room = new Room();
  const memoryKey = randomBytes(32);
  const rightByHash = new Map<string, Buffer>();
  const nobody = { ...defaults, salt: randomBytes(saltBytes), key: randomBytes(keyBytes) };
  return {
    async check(hash, password) {
      const seen = createHmac("sha256", memoryKey).update(password).digest();
      const right = hash === undefined ? undefined : rightByHash.get(hash);
      if (right !== undefined && timingSafeEqual(right, seen)) return "right";
      const known = hash === undefined ? undefined : parseHash(hash);
      if (!(await room.enter())) return "busy";
      try {
        // While it waited another connection may have shown the same password.
        const shown = hash === undefined ? undefined : rightByHash.get(hash);
        if (shown !== undefined && timingSafeEqual(shown, seen)) return "right";
        const expected = known ?? nobody;
        const isRight = timingSafeEqual(await derive(password, expected), expected.key);
        if (!isRight || known === undefined || hash === undefined) return "wrong";
        if (rightByHash.size >= rememberedMax) rightByHash.clear();
        rightByHash.set(hash, seen);
        return "right";
      } finally {
        room.leave();
      }
    },
  };
}

function parseHash(text: string): PasswordHash | undefined {
  const [, cost, block, parallelism, salt = "", key = ""] = hashPattern.exec(text) ?? [];
  const [costLog2, blockSize, parallel] = [Number(cost), Number(block), Number(parallelism)];
  const isSound = costLog2 >= 10 && costLog2 <= costLog2Max && blockSize >= 1 && blockSize <= 8 && parallel >= 1;
  if (!isSound || parallel > 4) return undefined;
  return { costLog2, blockSize, parallel, salt: Buffer.from(salt, "base64"), key: Buffer.from(key, "base64") };
}

function derive(
  password: Uint8Array,
  { costLog2, blockSize, parallel, salt }: Omit<PasswordHash, "key">,
): Promise<Buffer> {
  const cost = 2 ** costLog2;
  const options: ScryptOptions = { N: cost, r: blockSize, p: parallel, maxmem: 160 * cost * blockSize };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, keyBytes, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("=", "");
}

/** `limits.passwordChecks` inside; the rest waits in order, within its bound. */
class Room {
  #inside = 0;
  readonly #waiting: (() => void)[] = [];

  /** Answers false when too many are waiting. */
  async enter(): Promise<boolean> {
    if (this.#inside < limits.passwordChecks) {
      this.#inside++;
      return true;
    }
    if (this.#waiting.length >= limits.passwordChecksWaiting) return false;
    await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    return true;
  }

  /** Hands its place to the next one. */
  leave(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#inside--;
    else next();
  }
}
