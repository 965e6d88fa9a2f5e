// Addresses that a node listens on, in text form: "host:port", "[::1]:1883". Port 0 is any free port.
import { BlockList, isIPv4, isIPv6 } from "node:net";

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8);
loopback.addAddress("::1", "ipv6");

const addressPattern = /^(?:\[(?<v6>[0-9A-Fa-f:.]{2,45})\]|(?<name>[A-Za-z0-9.-]{1,253})):(?<port>[0-9]{1,5})$/;

/** Nothing when `text` is no address. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const groups = addressPattern.exec(text)?.groups;
  const host = groups?.["v6"] ?? groups?.["name"];
  const port = Number(groups?.["port"]);
  if (host === undefined || port > 65_535) return undefined;
  if (groups?.["v6"] !== undefined && !isIPv6(host)) return undefined;
  // What looks like a number is not looked up as a name.
  if (/^[0-9.]+$/.test(host) && !isIPv4(host)) return undefined;
  return { host, port };
}

export function formatListenAddress({ host, port }: ListenAddress): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only programs on this machine can reach `host`. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return loopback.check(host, "ipv4");
  if (isIPv6(host)) return loopback.check(host, "ipv6");
  return host.toLowerCase() === "localhost";
}
