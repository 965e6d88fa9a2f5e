// Another server of the cluster, and the text by which it is known in the coordinator [U11] [U22] [U23].
import { formatAddress, parseAddress, type Address } from "./address.ts";
import { parseEntry } from "./entry-text.ts";
import { isFellowId, isHostname, type FellowId, type Hostname } from "./fellow-names.ts";

export interface Fellow {
  readonly uuid: FellowId;
  readonly hostname: Hostname;
  /** Where its server bridge listens. */
  readonly address: Address;
}

/** Deterministic: equal fellows have equal texts. */
export function formatFellow({ uuid, hostname, address }: Fellow): string {
  return JSON.stringify({ uuid, hostname, mqtt: formatAddress(address) });
}

/** Undefined for what is not a fellow's entry. Unknown fields are passed over: a newer server may write more. */
export function parseFellow(text: string): Fellow | undefined {
  const { uuid, hostname, mqtt } = parseEntry(text) ?? {};
  if (typeof uuid !== "string" || typeof hostname !== "string" || typeof mqtt !== "string") return undefined;
  const address = parseAddress(mqtt);
  return isFellowId(uuid) && isHostname(hostname) && address !== undefined ? { uuid, hostname, address } : undefined;
}
