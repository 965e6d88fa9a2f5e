import { expect, test } from "vitest";
import { fault, load } from "./made-config.ts";

const tls = 'tls: { cert = "c"; key = "k"; ';

test.each([
  ["0.0.0.0:1883", "0.0.0.0:1883", "mqtts://"],
  ["ws://0.0.0.0:8083", "ws://0.0.0.0:8083/mqtt", "wss://"],
])("%s needs insecure = true, or TLS", (address, shown, secure) => {
  const text = `listen: { mqtt = "${address}" }`;
  expect(fault(() => load(text))).toBe(
    `FOGBANK_LISTEN_INSECURE /etc/fog.conf:1:18: listen.mqtt: other machines can reach ${shown}: take ${secure} with a ` +
      "certificate (tls.cert, tls.key), listen on 127.0.0.1 or [::1], or set insecure = true if everybody on that network may use this node",
  );
  expect(load(`${text} insecure = true`).config.insecure).toBe(true);
});

test("TLS listeners and Unix sockets may be reached", () => {
  const text = `listen: { mqtt = ("mqtts://0.0.0.0:8883", "wss://0.0.0.0:8084", "unix:/run/x.sock") } ${tls}}`;
  expect(load(text).config.listen.mqtt).toHaveLength(3);
});

test.each([
  [
    'listen: { mqtt = "mqtts://127.0.0.1:1" }',
    "1:18: listen.mqtt: to listen on mqtts://127.0.0.1:1 tls.cert and tls.key must be set too",
  ],
  ['tls: { cert = "c" }', "1:15: tls.cert: tls.key must be set too"],
  ['tls: { key = "k" }', "1:14: tls.key: tls.cert must be set too"],
  ['tls: { ca = "a" }', "1:13: tls.ca: tls.cert and tls.key must be set too"],
  [`${tls} require-client-certificate = yes }`, "1:61: tls.require-client-certificate: tls.ca must be set too"],
  ['uplink: { secret-file = "s" }', "1:25: uplink.secret-file: uplink.url must be set too"],
  [
    'uplink: { url = "mqtt://a"; ca = "a" }',
    "1:34: uplink.ca: it has a use only with an uplink.url that begins with mqtts://",
  ],
  ['uplink: { url = "mqtts://a"; cert = "c" }', "1:37: uplink.cert: uplink.key must be set too"],
  ['level = cloud documents: { user = "u" }', "1:35: documents.user: documents.url must be set too"],
  [
    'level = cloud documents: { url = "mongodb://a"; user = "u" }',
    "1:56: documents.user: documents.password-file must be set too",
  ],
  ['documents: { url = "mongodb://a" }', "1:20: documents.url: it has a use only at level cloud"],
])("%s", (text, message) => {
  expect(fault(() => load(text))).toBe(`FOGBANK_CONFIG_INVALID /etc/fog.conf:${message}`);
});

const open = 'listen: { mqtt = "mqtts://0.0.0.0:8883" }';

test.each([
  ["", []],
  ['auth: { users = "u"; anonymous = never }', []],
  [
    `${open} ${tls}}`,
    [
      "mqtts://0.0.0.0:8883 admits nobody from other machines: there is no auth.users, and anonymous clients are admitted from this machine only",
    ],
  ],
  [
    `${open} ${tls} ca = "a" }`,
    [
      "mqtts://0.0.0.0:8883 admits only holders of a certificate from other machines: there is no auth.users, and anonymous clients are admitted from this machine only",
    ],
  ],
  [`${open} ${tls}} auth: { users = "u" }`, []],
  [
    `${open} ${tls}} auth: { anonymous = always }`,
    ["auth.anonymous = always: whoever reaches mqtts://0.0.0.0:8883 may use this node, also as its child"],
  ],
  ["auth: { anonymous = never }", ["auth.anonymous = never without auth.users: nobody can connect"]],
  [
    'uplink: { url = "mqtt://a"; secret-file = "s" }',
    ["uplink.secret-file crosses the network in clear: take an uplink.url that begins with mqtts://"],
  ],
])("%s warns of what it means", (text, warnings) => {
  expect(load(text).warnings).toEqual(warnings);
});

test("the MongoDB of a root is taken as it is said, and the password in its URL is not shown", () => {
  const settings =
    'user = "u"; password-file = "/p"; ca = "/ca.pem"; certificate-key = "/node.pem"; database = "plant"';
  const { config, entries } = load(
    `level = cloud documents: { url = "mongodb://me:secret@a,b/?replicaSet=rs"; ${settings} }`,
  );
  expect(config.documents).toEqual({
    url: "mongodb://me:secret@a,b/?replicaSet=rs",
    database: "plant",
    user: "u",
    passwordFile: "/p",
    ca: "/ca.pem",
    certificateKey: "/node.pem",
  });
  expect(entries.find(({ key }) => key === "documents.url")?.value).toBe("mongodb://me:***@a,b/?replicaSet=rs");
  expect(load("level = cloud").config.documents).toBeUndefined();
  expect(fault(() => load('level = cloud documents: { url = "http://a" }'))).toContain("mongodb://");
});
