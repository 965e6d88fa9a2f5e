// Port: what the nodes of a cloud agree on. A tree of small entries, each with a version, which live for ever or with the session that
// made them; changes of several at once; watches. One cloud node needs nothing for it (embedded-coordinator.ts), several share an ensemble
// of ZooKeeper servers (zookeeper/zookeeper-coordinator.ts). Whoever uses it cannot tell which.
import { FogbankError } from "#shared/errors.ts";

export interface Entry {
  readonly data: Uint8Array;
  /** 0 when it was made, one more with each write. */
  readonly version: number;
  /** `session`: it ends with the session that made it; `own`: with this one. */
  readonly lifetime: "lasting" | "session" | "own";
}

/** Versions are compared: a change of an entry that has another version by now is refused. */
export type Change =
  | {
      readonly type: "create";
      readonly path: string;
      readonly data: Uint8Array;
      /** With this session. Such an entry has no entries below it. */
      readonly ephemeral?: boolean;
      /** Ten digits are added to the path, larger than any before them below this parent. */
      readonly sequential?: boolean;
    }
  | { readonly type: "write"; readonly path: string; readonly data: Uint8Array; readonly version?: number }
  /** An entry without entries below it. */
  | { readonly type: "delete"; readonly path: string; readonly version?: number }
  | { readonly type: "check"; readonly path: string; readonly version: number };

/** Of one change: where the entry is, and its version now; -1 of one that was deleted. */
export interface Changed {
  readonly path: string;
  readonly version: number;
}

export type RefusalReason = "absent" | "exists" | "version" | "not-empty" | "below-ephemeral" | "not-allowed" | "other";

/** FOGBANK_COORDINATION_REFUSED: none of the changes has taken place. */
export class ChangeRefused extends FogbankError {
  readonly reason: RefusalReason;
  /** Of the change that was refused. */
  readonly index: number;
  readonly path: string;

  constructor(reason: RefusalReason, index: number, change: { readonly type: string; readonly path: string }) {
    super("FOGBANK_COORDINATION_REFUSED", `${change.type} ${change.path} in the coordination: refused, ${reason}`);
    this.name = "ChangeRefused";
    this.reason = reason;
    this.index = index;
    this.path = change.path;
  }
}

/**
 * held -> suspended -> held      nothing was lost
 *             +-----> lost -> held      entries of the session may be gone: look, and make them again
 *
 * From `lost` on whatever the session held may be somebody else's. `ended` is final.
 */
export type Hold = "held" | "suspended" | "lost" | "ended";

/** Reads may be behind what others have written; `sync` catches up. Paths are /a/b; / is there. Rejects with FOGBANK_COORDINATION_…. */
export interface Coordinator extends AsyncDisposable {
  get(path: string): Promise<Entry | undefined>;
  /** Names right below `path`, sorted; none when it is not there. */
  list(path: string): Promise<readonly string[]>;
  /** All or none, in this order. Rejects with ChangeRefused; with FOGBANK_COORDINATION_LOST it is unknown whether they took place. */
  change(changes: readonly Change[]): Promise<readonly Changed[]>;
  sync(): Promise<void>;
  /**
   * Until disposed, `changed` is called after the entry has come, gone or been written, and after an entry right below it has come or gone;
   * with `below`, after any change at it or deeper. It means "read again": after the latest change there is always another call.
   */
  watch(path: string, below: boolean, changed: () => void): Promise<AsyncDisposable>;
  readonly hold: Hold;
  /** Monotonic milliseconds until which the session is held for certain. */
  readonly heldUntilMs: number;
  onHold(listener: (hold: Hold) => void): Disposable;
}
