// Servers of a cluster, for tests of shared/fellows.
import type { Fellow } from "#shared/fellows/fellow.ts";
import { parseClusterName, parseFellowId, parseHostname } from "#shared/fellows/fellow-names.ts";

export const cluster = parseClusterName("bigones");

/** The server with that number; its hostname is `server-<number>` unless given. */
export function fellowOf(number: number, hostname = `server-${number}`): Fellow {
  const uuid = parseFellowId(`00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`);
  return {
    uuid,
    hostname: parseHostname(hostname),
    address: { host: `10.0.${number >> 8}.${number & 255}`, port: 5432 },
  };
}
