// The address of the parent, and how it is shown without its password.
import { isIPv6 } from "node:net";

const portDefault = 1883;
const tlsPortDefault = 8883;

export interface UplinkAddress {
  readonly host: string;
  /** 1 to 65 535. */
  readonly port: number;
  /** As configured, with a password if there is one. */
  readonly url: string;
  readonly isTls?: true;
}

/** How to reach the parent, and what to show it. The files are read at each dial. */
export interface UplinkConfig extends UplinkAddress {
  /** Holds what was stored for this node's name by `fogbank user add --child` at the parent. */
  readonly secretFile?: string;
  /** Authorities that the parent's certificate is verified against; by default those of the system. */
  readonly ca?: string;
  /** Certificate and key of this node. */
  readonly cert?: string;
  readonly key?: string;
}

/** Nothing when `text` is not `mqtt://[user:password@]host[:port]`, or `mqtts://…` for TLS. */
export function parseUplinkUrl(text: string): UplinkAddress | undefined {
  if (!/^mqtts?:\/\//i.test(text)) return undefined;
  const url = URL.parse(text);
  if (url === null || !["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "") return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (!/^[A-Za-z0-9.-]{1,253}$/.test(host) && !isIPv6(host)) return undefined;
  const isTls = url.protocol === "mqtts:";
  const port = url.port === "" ? (isTls ? tlsPortDefault : portDefault) : Number(url.port);
  return port === 0 ? undefined : { host, port, url: text, ...(isTls && { isTls }) };
}

/** `text` with what is or may be meant as a password in a URL replaced, also when the URL is not well-formed. */
export function maskPasswords(text: string): string {
  const secret = text.includes("://") ? /(:\/\/[^:@]*):.*@/s : /^([^:@]*):.*@/s;
  return text.replace(secret, "$1:***@");
}
