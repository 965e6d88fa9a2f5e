// Up to which own number others can have messages of this database: what it has numbered while it had no parent, nobody can have. So a
// restored copy knows its new numbers from those of the original, though it was started several times, or anew with its machine,
// before it met its parent.
//
// Written down at a start, and no longer once a parent is met: from then on anything may have been sent.
//
//   meta "offered" = [[epoch, number of the stream, highest number that can have been sent]…] as JSON; none: everything can
import type { IdentityRepository } from "./identity-repository.ts";
import type { StreamRepository } from "./stream-repository.ts";

type Offered = readonly [epoch: number, streamId: number, high: number];

export class OfferedNumbers {
  readonly #identity: IdentityRepository;
  readonly #streams: StreamRepository;
  readonly #name: string;

  constructor(identity: IdentityRepository, streams: StreamRepository, name: string) {
    this.#identity = identity;
    this.#streams = streams;
    this.#name = name;
  }

  /** At a start, and when an epoch begins: nothing is sent from here on. The own streams of the present epoch are known. */
  begin(): void {
    const known = this.#read();
    const epoch = this.#identity.epoch();
    const ledger = this.#streams.ledger(this.#name);
    const waiting = new Set(ledger.flatMap((row) => (row.held + row.lost > 0 ? [row.epoch] : [])));
    // Of what nobody asks about any more nothing need be known.
    const kept = (known ?? []).filter(([of]) => of === epoch || waiting.has(of));
    const missing = this.#streams
      .statesOf(this.#name, epoch)
      .filter(({ streamId }) => !kept.some(([of, id]) => of === epoch && id === streamId))
      // Where nothing has been sent since the last start, one that was not there then has sent nothing either.
      .map(({ streamId, high }): Offered => [epoch, streamId, known === undefined ? high : 0]);
    this.#identity.setOffered(JSON.stringify([...kept, ...missing]));
  }

  /** A parent is met: what follows may be sent at any moment. */
  end(): void {
    if (this.#identity.offered() !== undefined) this.#identity.setOffered(undefined);
  }

  /** The highest number of that own stream that others can have from this database, of which `high` have been given. */
  highest(epoch: number, streamId: number, high: number): number {
    const known = this.#read()?.find(([of, id]) => of === epoch && id === streamId);
    return known === undefined ? high : Math.min(high, known[2]);
  }

  /** What cannot be read, in a file that was damaged, is not known. */
  #read(): readonly Offered[] | undefined {
    const text = this.#identity.offered();
    if (text === undefined) return undefined;
    try {
      const value: unknown = JSON.parse(text);
      return Array.isArray(value) ? value.filter(isOffered) : undefined;
    } catch {
      return undefined;
    }
  }
}

function isOffered(value: unknown): value is Offered {
  return Array.isArray(value) && value.length === 3 && value.every((part) => Number.isSafeInteger(part));
}
