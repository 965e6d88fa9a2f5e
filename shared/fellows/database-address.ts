// `host:port:dbtype`, as servers tell each other and their clients where databases are [U11] [U25].
import { limits } from "../limits.ts";
import { formatAddress, isHost, parseAddress, type Address } from "./address.ts";

export interface DatabaseAddress extends Address {
  /** Such as `mongodb`. */
  readonly dbType: string;
}

/** What `db-servers` need not say. */
export interface DatabaseDefaults {
  readonly port: number;
  readonly dbType: string;
}

export function formatDatabase(database: DatabaseAddress): string {
  return `${formatAddress(database)}:${database.dbType}`;
}

/** Undefined for anything else. `defaults`: for entries of the configuration, which may leave out the kind, or kind and port. */
export function parseDatabase(text: string, defaults?: DatabaseDefaults): DatabaseAddress | undefined {
  const whole = readWhole(text);
  if (whole !== undefined || defaults === undefined) return whole;
  const address = parseAddress(text);
  if (address !== undefined) return { ...address, dbType: defaults.dbType };
  const host = text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text;
  return isHost(host) && host.includes(":") === (host !== text) ? { host, ...defaults } : undefined;
}

function readWhole(text: string): DatabaseAddress | undefined {
  const at = text.lastIndexOf(":");
  const dbType = text.slice(at + 1);
  if (at === -1 || dbType.length > limits.databaseTypeChars || !/^[a-z][a-z0-9-]*$/.test(dbType)) return undefined;
  const address = parseAddress(text.slice(0, at));
  return address === undefined ? undefined : { ...address, dbType };
}
