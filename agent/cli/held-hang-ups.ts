// Hang-ups of a node that is still starting: what they ask for is done when it runs. Without that they would end it, and systemd takes
// an end by SIGHUP for one that was wished.
import type { RunCommandIo } from "./run.ts";

export interface HeldHangUps extends Disposable {
  /** Every hang-up from now on calls it; at once if there was one before. */
  readonly release: (listener: () => void) => void;
}

/** After its end a hang-up stops the program again. */
export function holdHangUps(onHangUp: RunCommandIo["onHangUp"]): HeldHangUps {
  let wasHungUp = false;
  let listener = (): void => void (wasHungUp = true);
  const listening = onHangUp(() => listener());
  return {
    release(then) {
      listener = then;
      if (wasHungUp) then();
    },
    [Symbol.dispose]: () => listening[Symbol.dispose](),
  };
}
