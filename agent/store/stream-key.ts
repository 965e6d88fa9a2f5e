// Which stream, in the words of the database.
/** Internal number of an (origin, epoch), and of the stream there. */
export interface StreamKey {
  readonly origin: number;
  readonly stream: number;
}
