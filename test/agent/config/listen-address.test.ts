import { expect, test } from "vitest";
import { formatMqttAddress, parseMqttAddress } from "#agent/config/listen-address.ts";

test.each([
  ["127.0.0.1:1883", { transport: "tcp", host: "127.0.0.1", port: 1883 }],
  ["[::1]:0", { transport: "tcp", host: "::1", port: 0 }],
  ["mqtts://0.0.0.0:8883", { transport: "tls", host: "0.0.0.0", port: 8883 }],
  ["ws://127.0.0.1:8083/mqtt", { transport: "ws", host: "127.0.0.1", port: 8083 }],
  ["wss://[::]:8084/mqtt", { transport: "wss", host: "::", port: 8084 }],
  ["unix:/run/fogbank.sock", { transport: "unix", host: "/run/fogbank.sock", port: 0 }],
] as const)("%s", (text, address) => {
  expect(parseMqttAddress(text)).toEqual(address);
  expect(formatMqttAddress(address)).toBe(text);
});

test.each([
  ["mqtt://127.0.0.1:1883", "127.0.0.1:1883"],
  ["WSS://a:1", "wss://a:1/mqtt"],
  ["mqtts://a:1/", "mqtts://a:1"],
])("%s is %s", (text, formatted) => {
  const address = parseMqttAddress(text);
  expect(address && formatMqttAddress(address)).toBe(formatted);
});

test.each([
  "http://a:1",
  "mqtts://a",
  "mqtts://a:1/mqtt",
  "ws://a:1/other",
  "ws://user@a:1",
  "unix:relative.sock",
  "unix:",
  `unix:/${"x".repeat(103)}`,
  "unix:/a\0b",
])("%j is no address", (text) => {
  expect(parseMqttAddress(text)).toBeUndefined();
});
