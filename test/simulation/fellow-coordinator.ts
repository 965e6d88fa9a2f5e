// A coordinator as a few maps: entries of fellows, offers and named servers, and watchers that are told a while after each change.
import type { ElectionEvent, Named } from "#shared/fellows/responder-election.ts";
import type { FellowId } from "#shared/fellows/fellow-names.ts";
import type { Offer } from "#shared/fellows/server-score.ts";
import type { Seeded } from "../../scripts/torture/seeded.ts";
import type { EventQueue } from "./event-queue.ts";

type ElectionView = ElectionEvent & { readonly type: "view" };

export class FellowCoordinator {
  readonly #queue: EventQueue;
  readonly #random: Seeded;
  readonly #watchers = new Set<() => void>();
  /** Ephemeral, by fellow. */
  readonly #entries = new Map<FellowId, { readonly session: number; readonly text: string }>();
  readonly #offers = new Map<string, Map<FellowId, { readonly session: number; readonly offer: Offer }>>();
  readonly #named = new Map<string, Named>();

  constructor(queue: EventQueue, random: Seeded) {
    this.#queue = queue;
    this.#random = random;
  }

  /** `look`: reads whatever there is then. */
  watch(look: () => void): void {
    this.#watchers.add(look);
  }

  get fellows(): readonly string[] {
    return [...this.#entries.values()].map(({ text }) => text);
  }

  /** In the place of an entry of an earlier session. */
  enter(uuid: FellowId, session: number, text: string): void {
    this.#entries.set(uuid, { session, text });
    this.#changed();
  }

  /** Everything ephemeral of that session goes. */
  expire(uuid: FellowId, session: number): void {
    if (this.#entries.get(uuid)?.session === session) this.#entries.delete(uuid);
    for (const offers of this.#offers.values()) if (offers.get(uuid)?.session === session) offers.delete(uuid);
    this.#changed();
  }

  /** As that server sees it in its session. */
  electionOf(id: string, reader: FellowId, session: number): Pick<ElectionView, "named" | "offers"> {
    const offers = [...(this.#offers.get(id)?.values() ?? [])]
      .filter((one) => one.offer.uuid !== reader || one.session === session)
      .map(({ offer }) => offer);
    return { named: this.#named.get(id), offers };
  }

  offer(id: string, session: number, offer: Offer): void {
    const offers = this.#offers.get(id) ?? new Map<FellowId, { readonly session: number; readonly offer: Offer }>();
    this.#offers.set(id, offers.set(offer.uuid, { session, offer }));
    this.#changed();
  }

  withdraw(id: string, uuid: FellowId): void {
    this.#offers.get(id)?.delete(uuid);
    this.#changed();
  }

  /** If the entry has that version. */
  write(id: string, ifVersion: number | undefined, entry: Omit<Named, "version">): void {
    if (this.#named.get(id)?.version !== ifVersion) return;
    this.#named.set(id, { ...entry, version: (ifVersion ?? -1) + 1 });
    this.#changed();
  }

  #changed(): void {
    for (const look of this.#watchers) this.#queue.in(this.#random.between(1, 60), look);
  }
}
