// A real server for tests, as `npm run services` knows it: started without root, told by its URL, ended by its process ids.

export interface Service {
  readonly name: string;
  /** In the environment: the URL of a server of one's own, which tests then use instead. */
  readonly variable: string;
  /** Starts it with its data in `folder`, which is new and empty. Rejects, with nothing left running, when it cannot be had here. */
  start(folder: string): Promise<StartedService>;
}

export interface StartedService {
  /** What `variable` is to be set to. */
  readonly url: string;
  /** Processes that go on when this one ends. */
  readonly pids: readonly number[];
}
