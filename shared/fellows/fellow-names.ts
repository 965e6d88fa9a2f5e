// What servers of a cluster are called: text that has been checked once, and stands in topics as it is [U-T11] [U-T12].
import { FogbankError } from "../errors.ts";
import { limits } from "../limits.ts";

/** One topic level, no UUID: 1 to 128 bytes without blanks, control characters, `/`, `+` and `#`. Kept as written, capitals too. */
export type Hostname = string & { readonly brand: "Hostname" };
/** One topic level, as a hostname is, and not with `$` in front. */
export type ClusterName = string & { readonly brand: "ClusterName" };
/** The UUID of a server, in lower case (RFC 9562, section 4). */
export type FellowId = string & { readonly brand: "FellowId" };

export function isFellowId(text: string): text is FellowId {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

/** A hostname that looks like a UUID, in any case, could be taken for another server's second path. */
export function isHostname(text: string): text is Hostname {
  return isOneLevel(text) && !isFellowId(text.toLowerCase());
}

export function isClusterName(text: string): text is ClusterName {
  return isOneLevel(text) && !text.startsWith("$");
}

/** Throws FOGBANK_NAME_INVALID. */
export function parseHostname(text: string): Hostname {
  if (isHostname(text)) return text;
  throw invalid(text, "name a server", " and no UUID");
}

/** Throws FOGBANK_NAME_INVALID. */
export function parseClusterName(text: string): ClusterName {
  if (isClusterName(text)) return text;
  throw invalid(text, "name a cluster", ' and no "$" in front');
}

/** Throws FOGBANK_NAME_INVALID. */
export function parseFellowId(text: string): FellowId {
  if (isFellowId(text)) return text;
  throw new FogbankError(
    "FOGBANK_NAME_INVALID",
    `"${text.slice(0, 80)}" is not the UUID of a server: use hexadecimal digits in lower case, as 8-4-4-4-12`,
  );
}

function invalid(text: string, what: string, also: string): FogbankError {
  return new FogbankError(
    "FOGBANK_NAME_INVALID",
    `"${text.slice(0, 80)}" cannot ${what}: use 1 to ${limits.hostnameBytes} bytes without blanks, "/", "+" and "#",${also}`,
  );
}

const utf8 = new TextEncoder();

function isOneLevel(text: string): boolean {
  if (text === "" || text.length > limits.hostnameBytes || !text.isWellFormed()) return false;
  return !/[\s/+#\u0000-\u001f\u007f-\u009f]/.test(text) && utf8.encode(text).length <= limits.hostnameBytes;
}
