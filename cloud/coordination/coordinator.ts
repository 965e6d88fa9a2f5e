// What the nodes of one cloud agree through: a small tree of versioned entries with watches, ephemeral entries, and operations that are
// done together or not at all. Ids, names and decisions only; bodies go over MQTT [U28]. Embedded, or ZooKeeper [U8]: users of the port
// cannot tell which.

export interface Entry {
  readonly data: Uint8Array;
  /** 0 when it was created, one more with each write. */
  readonly version: number;
  /** Id of the session that made it and takes it away when it ends; undefined: it lasts. */
  readonly owner: string | undefined;
}

/**
 * Paths begin with `/`, end without one, and have no empty part, `.`, `..` or control character; "/" is always there. Data: at most
 * `limits.coordinatorDataBytes`.
 */
export type Operation =
  /** The parent has to be there and not be ephemeral. `isSequential`: ten digits are appended, larger than those of all before it below that parent. */
  | {
      readonly type: "create";
      readonly path: string;
      readonly data: Uint8Array;
      readonly isEphemeral?: boolean;
      readonly isSequential?: boolean;
    }
  /** `version`: only if it is that one. */
  | { readonly type: "write"; readonly path: string; readonly data: Uint8Array; readonly version?: number }
  /** Only without children. */
  | { readonly type: "remove"; readonly path: string; readonly version?: number }
  /** Changes nothing. */
  | { readonly type: "check"; readonly path: string; readonly version: number };

/** Why nothing was done: what was found at the path of the operation `index`. */
export interface Conflict {
  readonly conflict: "exists" | "missing" | "version" | "has-children" | "parent-is-ephemeral";
  readonly path: string;
  readonly index: number;
}

/** For each operation the path that it was done to: of a sequential one with its number. */
export type Outcome = { readonly paths: readonly string[] } | Conflict;

/**
 * `live`: a session stands. `suspended`: nothing is heard, the session may stand. `lost`: it has ended, with its ephemeral entries; a
 * leader is none any more. After either comes `live`, after `lost` with another id: whoever wants ephemeral entries makes them again.
 */
export type SessionState =
  | { readonly type: "live"; readonly id: string }
  | { readonly type: "suspended" }
  | { readonly type: "lost" };

/** Rejects with FOGBANK_COORDINATOR_LOST where it is not known what came of it, and with FOGBANK_NAME_INVALID for what is no path. */
export interface Coordinator extends AsyncDisposable {
  readonly session: SessionState;
  onSession(listener: (state: SessionState) => void): Disposable;
  read(path: string): Promise<Entry | undefined>;
  /** Names, in their order; undefined: there is no such entry. */
  children(path: string): Promise<readonly string[] | undefined>;
  /** Does all of them durably and at one moment, or none. */
  run(operations: readonly Operation[]): Promise<Outcome>;
  /**
   * The listener hears that the entry, or the list of its children, may be another than when it was heard before: it reads what is there
   * now. Also when a session is live again. `isRecursive`: or anything below it.
   */
  watch(path: string, listener: () => void, options?: { readonly isRecursive?: boolean }): Disposable;
  /** The common clock of all users, milliseconds since 1970. */
  now(): Promise<number>;
}
