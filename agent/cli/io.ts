// What a command has of the world around it.
import type { Clock } from "#shared/system/clock.ts";
import type { ConfigSources } from "../config/config.ts";

export interface CliIo extends Pick<ConfigSources, "env" | "readFile" | "hostname"> {
  /** May throw an error with the code EPIPE when nobody reads any more: the command then ends quietly. */
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** The same for bytes; resolves when they have left, so that a slow reader holds the command back. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  readonly clock: Clock;
  /** Whether people read stdout as it is written. */
  readonly isTerminal: boolean;
  /** The same of stderr. */
  readonly isErrorTerminal?: boolean;
  /** Width of stdout's terminal. */
  readonly columns: number;
  /** `destroy`, if there is one, lets go of what is read without waiting for more. */
  readonly stdin: AsyncIterable<Uint8Array> & { readonly destroy?: () => unknown };
  /** Asks the person at the terminal for what must not be seen; absent where stdin is none. Rejects with the signal's reason. */
  readonly askSecret?: (question: string) => Promise<string>;
  /** Aborts when the person asks the command to stop. */
  readonly signal: AbortSignal;
}
