// A time limit on work that somebody else does.
import type { Clock } from "#shared/system/clock.ts";

/** What `work` comes to, or a rejection with `late()` when that takes longer than `ms`. The work itself goes on. */
export async function within<T>(clock: Clock, ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  const done = new AbortController();
  const timer = clock.sleep(ms, done.signal).then(() => {
    throw late();
  });
  try {
    return await Promise.race([work, timer]);
  } finally {
    done.abort();
  }
}
