// The options that say which node a command talks to.
import { InvalidArgumentError, Option } from "commander";
import type { MqttClientConfig } from "../client/mqtt-client.ts";
import { parseUplinkUrl } from "../config/uplink-url.ts";

/** Where a node on this machine listens unless it is told otherwise. */
const httpDefault = "http://127.0.0.1:8080";
const mqttDefault = "mqtt://127.0.0.1:1883";

export function httpOption(): Option {
  return new Option("--http <url>", "HTTP address of the node").default(httpDefault).argParser(parseHttpUrl);
}

export type MqttTarget = Pick<MqttClientConfig, "host" | "port" | "isTls" | "username" | "password">;

export function mqttOption(): Option {
  return new Option(
    "--mqtt <url>",
    "MQTT address of the node, mqtt://[user:password@]host[:port], or mqtts://… for TLS",
  )
    .default(parseMqttUrl(mqttDefault), mqttDefault)
    .argParser(parseMqttUrl);
}

function parseHttpUrl(text: string): string {
  const url = URL.parse(text);
  const isHttp = url !== null && ["http:", "https:"].includes(url.protocol) && url.search === "" && url.hash === "";
  if (!isHttp) throw new InvalidArgumentError("Expected http://host:port.");
  if (url.username !== "" || url.password !== "")
    throw new InvalidArgumentError("User and password cannot be used here.");
  return url.href;
}

function parseMqttUrl(text: string): MqttTarget {
  const address = parseUplinkUrl(text);
  if (address === undefined)
    throw new InvalidArgumentError("Expected mqtt://[user:password@]host[:port], or mqtts://….");
  const { username, password } = new URL(address.url);
  return {
    host: address.host,
    port: address.port,
    ...(address.isTls && { isTls: address.isTls }),
    ...(username === "" ? {} : { username: decode(username) }),
    ...(password === "" ? {} : { password: decode(password) }),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new InvalidArgumentError("The user or password has a % that encodes nothing.");
  }
}
