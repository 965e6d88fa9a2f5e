import { expect, test } from "vitest";
import { loadTlsCredentials } from "#agent/net/tls-credentials.ts";
import { createTestAuthority } from "../../fakes/certificates.ts";

const authority = createTestAuthority();
const own = authority.issue("server");

const load = (texts: Readonly<Record<string, string>>) =>
  loadTlsCredentials({ cert: "c.pem", key: "k.pem", ca: "ca.pem", requireClientCertificate: false }, (path) => {
    const text = texts[path];
    if (text === undefined) throw new Error(`ENOENT: no such file ${path}`);
    return text;
  });

test("a certificate says when it ends", () => {
  const credentials = load({ "c.pem": own.cert, "k.pem": own.key, "ca.pem": authority.cert });
  expect(new Date(credentials.expiresAtMs()).getUTCFullYear()).toBe(2049);
});

test.each([
  ["a missing file", { "c.pem": own.cert }, /^cannot read the key k\.pem: ENOENT.*: name a PEM file/],
  [
    "no certificate",
    { "c.pem": "hello", "k.pem": own.key, "ca.pem": authority.cert },
    /^cannot use the certificate c\.pem: /,
  ],
  ["no authority", { "c.pem": own.cert, "k.pem": own.key, "ca.pem": "hello" }, /^cannot use the authorities ca\.pem: /],
  [
    "a key of another certificate",
    { "c.pem": own.cert, "k.pem": authority.issue("other").key, "ca.pem": authority.cert },
    /^cannot use the certificate c\.pem with the key k\.pem: .*belong together$/,
  ],
])("%s is named with what to do", (_what, texts, message) => {
  expect(() => load(texts)).toThrow(
    expect.objectContaining({ code: "FOGBANK_TLS_INVALID", message: expect.stringMatching(message) }),
  );
});

test("after a reload that failed everything is as before", () => {
  const texts: Record<string, string> = { "c.pem": own.cert, "k.pem": own.key, "ca.pem": authority.cert };
  const credentials = load(texts);
  const before = credentials.context();
  let told = 0;
  credentials.onReload(() => told++);
  texts["k.pem"] = "broken";
  expect(() => credentials.reload()).toThrow("cannot use the certificate");
  expect(credentials.context()).toBe(before);
  texts["k.pem"] = own.key;
  credentials.reload();
  expect(told).toBe(1);
});
