// `host:port` as servers tell each other and their clients [U11]; an IPv6 address stands in brackets (RFC 3986, section 3.2.2).
import { limits } from "../limits.ts";

export interface Address {
  /** Name or IP address, without brackets. */
  readonly host: string;
  readonly port: number;
}

export function formatAddress({ host, port }: Address): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Undefined for anything else. */
export function parseAddress(text: string): Address | undefined {
  const [, bracketed, name = "", digits = ""] = /^(?:\[([^[\]]+)\]|([^:[\]]+)):([1-9][0-9]{0,4})$/.exec(text) ?? [];
  const host = bracketed ?? name;
  const port = Number(digits);
  const isThere = isHost(host) && host.includes(":") === (bracketed !== undefined);
  return isThere && port > 0 && port <= 65_535 ? { host, port } : undefined;
}

/** Whether `text` can stand in an address: a name, or an address of IPv4 or IPv6. Whether it resolves shows when it is dialled. */
export function isHost(text: string): boolean {
  if (text.length > limits.hostnameBytes) return false;
  return text.includes(":") ? isIpv6(text) : /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(text);
}

/** RFC 4291, section 2.2. */
function isIpv6(text: string): boolean {
  const halves = text.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1) ?? "";
  const hasIpv4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/.test(last) && !text.endsWith("::");
  const hex = hasIpv4 ? groups.slice(0, -1) : groups;
  const count = hex.length + (hasIpv4 ? 2 : 0);
  return hex.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group)) && (halves.length === 2 ? count < 8 : count === 8);
}
