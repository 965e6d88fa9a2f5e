// What the wills of all clients take: each connection may bring a large one, and keeps it for as long as it lasts.
import { limits } from "#shared/limits.ts";
import type { Will } from "#shared/mqtt/connect-packet.ts";

const overheadBytes = 256;

export class KeptWills {
  readonly #bytesByKeeper = new Map<object, number>();
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  hasRoomFor(will: Will): boolean {
    return this.#bytes + costOf(will) <= limits.willBytes;
  }

  /** `keeper`: a connection, or a session whose will is delayed. */
  keep(keeper: object, will: Will): void {
    this.release(keeper);
    this.#bytesByKeeper.set(keeper, costOf(will));
    this.#bytes += costOf(will);
  }

  release(keeper: object): void {
    this.#bytes -= this.#bytesByKeeper.get(keeper) ?? 0;
    this.#bytesByKeeper.delete(keeper);
  }
}

function costOf({ topic, payload, properties }: Will): number {
  return topic.length + payload.length + properties.length + overheadBytes;
}
