// What an operator says about the MongoDB that keeps the documents.

export interface MongodbSettings {
  /** `mongodb://` or `mongodb+srv://`, with the members of the replica set. */
  readonly url: string;
  readonly database: string;
  /** Name of the node that writes there: a database is one root's. */
  readonly owner: string;
  /** Who logs in, where the URL does not say it; the password is the first line of the file. */
  readonly user?: string;
  readonly passwordFile?: string;
  /** Path of the authorities that the servers' certificates are verified against; with it TLS is on. */
  readonly ca?: string;
  /** Path of this node's certificate and its key in one file; with it TLS is on. */
  readonly certificateKey?: string;
}
