// Addresses that a node listens on, in text form: "host:port", "[::1]:1883", "mqtts://host:port", "unix:/path". Port 0 is any free port.
import { isIPv4, isIPv6 } from "node:net";
import type { ListenAddress, Transport } from "../net/listen-spec.ts";

/** Bytes of a Unix socket's path: what the system's address structure holds. */
const unixPathBytes = 103;

const addressPattern = /^(?:\[(?<v6>[0-9A-Fa-f:.]{2,45})\]|(?<name>[A-Za-z0-9.-]{1,253})):(?<port>[0-9]{1,5})$/;
const urlPattern = /^(?<scheme>mqtts?|wss?):\/\/(?<address>[^/]*)(?<path>\/.*)?$/i;

const transportByScheme: Readonly<Record<string, Transport>> = { mqtt: "tcp", mqtts: "tls", ws: "ws", wss: "wss" };

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Nothing when `text` is no address. */
export function parseListenAddress(text: string): HostPort | undefined {
  const groups = addressPattern.exec(text)?.groups;
  const host = groups?.["v6"] ?? groups?.["name"];
  const port = Number(groups?.["port"]);
  if (host === undefined || port > 65_535) return undefined;
  if (groups?.["v6"] !== undefined && !isIPv6(host)) return undefined;
  // What looks like a number is not looked up as a name.
  if (/^[0-9.]+$/.test(host) && !isIPv4(host)) return undefined;
  return { host, port };
}

export function formatListenAddress({ host, port }: HostPort): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What a program of the same machine dials to reach a listener on `host`. */
export function reachableHost(host: string): string {
  return { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
}

/** Nothing when `text` is no address for MQTT. */
export function parseMqttAddress(text: string): ListenAddress | undefined {
  const path = /^unix:(\/[^\0]+)$/s.exec(text)?.[1];
  if (path !== undefined) {
    return Buffer.byteLength(path) > unixPathBytes ? undefined : { transport: "unix", host: path, port: 0 };
  }
  const groups = urlPattern.exec(text)?.groups;
  const transport = groups === undefined ? "tcp" : transportByScheme[groups["scheme"]?.toLowerCase() ?? ""];
  const address = parseListenAddress(groups?.["address"] ?? text);
  if (transport === undefined || address === undefined) return undefined;
  const isWebSocket = transport === "ws" || transport === "wss";
  const paths = isWebSocket ? [undefined, "/", "/mqtt"] : [undefined, "/"];
  return paths.includes(groups?.["path"]) ? { transport, ...address } : undefined;
}

/** As a client gives it: "host:port" for plain MQTT, else a URL. */
export function formatMqttAddress({ transport, host, port }: ListenAddress): string {
  switch (transport) {
    case "tcp":
      return formatListenAddress({ host, port });
    case "tls":
      return `mqtts://${formatListenAddress({ host, port })}`;
    case "ws":
    case "wss":
      return `${transport}://${formatListenAddress({ host, port })}/mqtt`;
    case "unix":
      return `unix:${host}`;
  }
}
