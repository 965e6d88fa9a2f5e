// The address of the parent, and how it is shown without its password.
import { isIPv6 } from "node:net";

const portDefault = 1883;

export interface UplinkAddress {
  readonly host: string;
  /** 1 to 65 535. */
  readonly port: number;
  /** As configured, with a password if there is one. */
  readonly url: string;
}

/** Nothing when `text` is not `mqtt://[user:password@]host[:port]`. */
export function parseUplinkUrl(text: string): UplinkAddress | undefined {
  if (!/^mqtt:\/\//i.test(text)) return undefined;
  const url = URL.parse(text);
  if (url === null || !["", "/"].includes(url.pathname) || url.search !== "" || url.hash !== "") return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (!/^[A-Za-z0-9.-]{1,253}$/.test(host) && !isIPv6(host)) return undefined;
  const port = url.port === "" ? portDefault : Number(url.port);
  return port === 0 ? undefined : { host, port, url: text };
}

/** `text` with what is or may be meant as a password in a URL replaced, also when the URL is not well-formed. */
export function maskPasswords(text: string): string {
  const secret = text.includes("://") ? /(:\/\/[^:@]*):.*@/s : /^([^:@]*):.*@/s;
  return text.replace(secret, "$1:***@");
}
