// What the clients of one torture share: where the broker is, who writes down what, and how far the torture has come.
import type { FaultLog } from "./fault-log.ts";
import type { StrictClient } from "./strict-client.ts";
import type { Ticker } from "./record.ts";

export interface Scene {
  readonly port: number;
  readonly ticker: Ticker;
  readonly faults: FaultLog;
  /** Aborts when nothing new is to begin: no more messages, no more goodbyes. Clients stay, and bring to its end what is open. */
  readonly calm: AbortSignal;
  /** Aborts when everything is over. */
  readonly over: AbortSignal;
}

/** Between two attempts to connect. */
const reconnectMs = 20;

/** Connects again and again until `scene` is over; `online` has the connection until it resolves or the connection ends. */
export async function keepConnected(
  client: StrictClient,
  { over }: Scene,
  online: (closed: Promise<void>) => Promise<void>,
): Promise<void> {
  const end = new Promise<void>((resolve) => {
    over.addEventListener("abort", () => resolve(), { once: true });
  });
  while (!over.aborted) {
    if (await client.connect()) await Promise.race([online(client.closed), client.closed, end]);
    if (!over.aborted) await pause(reconnectMs);
  }
  client.drop("disconnect");
}

/** `ms`, or less when a signal aborts. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}
