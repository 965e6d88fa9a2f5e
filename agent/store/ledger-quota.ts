// How much of the database the word of children may fill: a hello, a heartbeat or a batch that names a stream for the first time adds a
// row that stays. Bounded for each origin, for each child, for all of them together, and by the room that there is.
import type { DatabaseSync } from "node:sqlite";
import type { StreamState } from "#shared/journal/stream.ts";
import { limits } from "#shared/limits.ts";
import type { Budget } from "./budget.ts";

/** Of all that those of one child may take: beyond that, rows of old epochs that are complete shrink. */
const crowdedShare = limits.ledgerShareOfChild / 2;

/** A row with its indexes, its origin's row among them: most take less. */
const rowBytes = 256;

interface EpochCounts {
  all: number;
  open: number;
}

type Named = Pick<StreamState, "origin" | "epoch">;

export class LedgerQuota {
  readonly #budget: Pick<Budget, "maxBytes" | "hasRoomForAccounts">;
  readonly #rows;
  readonly #wholeRows;
  readonly #rowsOfChild;
  readonly #epochs;
  readonly #origin;
  readonly #child;
  /** Counted at the first question, then by what is added: what is forgotten meanwhile counts until the next start, or `recount`. */
  #total: number | undefined;
  readonly #byChild = new Map<string, number>();

  constructor(database: DatabaseSync, budget: Pick<Budget, "maxBytes" | "hasRoomForAccounts">) {
    this.#budget = budget;
    this.#rows = database.prepare(`SELECT COUNT(*) + ${shrunken("1")} AS rows FROM stream`);
    this.#wholeRows = database.prepare("SELECT COUNT(*) AS rows FROM stream");
    this.#rowsOfChild = database.prepare(
      `SELECT COUNT(*) + ${shrunken(`node IN (${nodesOfChild})`)} AS rows FROM origin o JOIN stream s ON s.origin = o.id
       WHERE o.node IN (${nodesOfChild})`,
    );
    this.#epochs = database.prepare(
      `SELECT COUNT(*) AS total, COUNT(*) FILTER (WHERE EXISTS (SELECT 1 FROM stream s WHERE s.origin = o.id
         AND (s.delivered + s.lost < s.high OR s.held > 0 OR s.segments > 0))) AS open
       FROM origin o WHERE o.node = ?`,
    );
    this.#origin = database.prepare("SELECT 1 FROM origin WHERE node = ? AND epoch = ?");
    this.#child = database.prepare("SELECT 1 FROM child WHERE name = ?");
  }

  /** Whether so many rows are there that those of old epochs should shrink. */
  isCrowded(): boolean {
    return countOf(this.#wholeRows.get()) >= (this.#budget.maxBytes / rowBytes) * crowdedShare;
  }

  /** Must be called when a transaction was rolled back, and when rows have gone. */
  recount(): void {
    this.#total = undefined;
    this.#byChild.clear();
  }

  /** Why that node cannot be remembered as a child; undefined: it can, or is. */
  childRefusal(child: string): string | undefined {
    if (this.#child.get(child) !== undefined) return undefined;
    return this.#budget.hasRoomForAccounts() ? undefined : noRoom;
  }

  /**
   * For what one frame of `child` names. Answers for each stream that is not in the ledger yet why it cannot be, or undefined when it is
   * to be added now.
   */
  admission(child: string): (stream: Named) => string | undefined {
    /** Within one frame each origin is counted once: it may name a thousand epochs. */
    const epochsByNode = new Map<string, EpochCounts>();
    return (stream) => {
      const reason = this.#refusal(child, stream, epochsByNode);
      if (reason !== undefined) return reason;
      this.#total = this.#rowsInAll() + 1;
      this.#byChild.set(child, this.#rowsNamedBy(child) + 1);
      return undefined;
    };
  }

  /** Why a stream that is not in the ledger cannot be; undefined: it can. */
  refusalOf(child: string, stream: Named): string | undefined {
    return this.#refusal(child, stream, new Map());
  }

  #refusal(child: string, stream: Named, epochsByNode: Map<string, EpochCounts>): string | undefined {
    const rowsMax = this.#budget.maxBytes / rowBytes;
    if (!this.#budget.hasRoomForAccounts()) return noRoom;
    if (this.#rowsInAll() >= rowsMax * limits.ledgerShare)
      return "the streams that children have named take all that they may of the database";
    if (this.#rowsNamedBy(child) >= rowsMax * limits.ledgerShareOfChild)
      return `the streams that "${child}" has named take all that those of one child may of the database`;
    return this.#epochRefusal(stream, epochsByNode);
  }

  #epochRefusal({ origin, epoch }: Named, epochsByNode: Map<string, EpochCounts>): string | undefined {
    if (this.#origin.get(origin, epoch) !== undefined) return undefined;
    const counts = epochsByNode.get(origin) ?? this.#epochsOf(origin);
    epochsByNode.set(origin, counts);
    if (counts.open >= limits.openEpochsPerOrigin)
      return `"${origin}" has ${counts.open} epochs that are not complete here: a further one is taken when some of these are`;
    if (counts.all >= limits.epochsPerOrigin)
      return `"${origin}" has ${counts.all} epochs here: drop old ones with fogbank journal drop-epoch`;
    // Whatever it brings, it is not complete yet as far as this frame goes.
    counts.all++;
    counts.open++;
    return undefined;
  }

  #epochsOf(node: string): EpochCounts {
    const row = this.#epochs.get(node);
    return { all: Number(row?.["total"]), open: Number(row?.["open"]) };
  }

  #rowsInAll(): number {
    return (this.#total ??= countOf(this.#rows.get()));
  }

  #rowsNamedBy(child: string): number {
    const rows = this.#byChild.get(child) ?? countOf(this.#rowsOfChild.get(child));
    this.#byChild.set(child, rows);
    return rows;
  }
}

const nodesOfChild = "SELECT ?1 UNION SELECT node FROM below WHERE child = ?1";

/** What is left of a stream of an old epoch takes a quarter of its row. */
function shrunken(where: string): string {
  return `(SELECT COUNT(*) / 4 FROM closed WHERE ${where})`;
}

const noRoom = "the database is full";

function countOf(row: Record<string, unknown> | undefined): number {
  return Number(row?.["rows"]);
}
