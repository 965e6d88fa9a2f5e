// A client for ZooKeeper, as the benchmark uses it.

export interface BenchClient {
  create(path: string, data: Buffer): Promise<unknown>;
  set(path: string, data: Buffer): Promise<unknown>;
  get(path: string): Promise<unknown>;
  close(): Promise<void>;
}

export interface Contender {
  readonly name: string;
  /** Resolves when it is connected. `ports` are of servers on loopback. */
  open(ports: readonly number[], timeoutMs: number): Promise<BenchClient>;
}
