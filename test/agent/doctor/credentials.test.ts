import { createPrivateKey } from "node:crypto";
import { expect, test } from "vitest";
import {
  type FileFacts,
  judgeAuthorities,
  judgeCertificate,
  judgePrivateFile,
  judgeSecretFile,
} from "#agent/doctor/credentials.ts";
import { createTestAuthority, type TestCertificate } from "../../fakes/certificates.ts";

const authority = createTestAuthority();
const own = authority.issueUntil("260801000000Z", "device-1");
const beforeMs = Date.UTC(2026, 4, 1);
const soonMs = Date.UTC(2026, 6, 10);
const afterMs = Date.UTC(2026, 7, 2);

const file = (setting: string, text: string, more: Partial<FileFacts> = {}): FileFacts => ({
  setting,
  path: `/etc/${setting}`,
  text,
  mode: 0o600,
  ...more,
});
const pair = ({ cert, key }: TestCertificate, mustName?: string) => ({
  cert: file("tls.cert", cert, { mode: 0o644 }),
  key: file("tls.key", key),
  mustName,
});
const gone = (failure: string): FileFacts => ({ setting: "tls.key", path: "/etc/tls.key", mode: 0, failure });

test("a certificate in date with its key is fine, and may be read by everybody", () => {
  expect(judgeCertificate(pair(own, "device-1"), beforeMs)).toEqual([
    { check: "tls.cert", level: "ok", what: "/etc/tls.cert is valid until 2026-08-01 (92 d)" },
  ]);
});

test("one that ends within thirty days is a warning; ended or not yet begun it is a problem", () => {
  const at = (nowMs: number) => judgeCertificate(pair(own), nowMs);
  expect(at(soonMs)).toMatchObject([{ level: "warning", what: "/etc/tls.cert is valid until 2026-08-01 (22 d)" }]);
  expect(at(afterMs)).toMatchObject([{ level: "problem", what: "/etc/tls.cert has expired on 2026-08-01 (1 d ago)" }]);
  expect(at(0)).toMatchObject([{ level: "problem", todo: "see whether the clock of this machine is right" }]);
});

test("a key of another certificate, no key, and one with a passphrase are problems", () => {
  const other = authority.issue("device-1");
  const mixed = judgeCertificate({ ...pair(own), key: file("tls.key", other.key) }, beforeMs);
  expect(mixed).toMatchObject([
    { check: "tls.key", level: "problem", what: "/etc/tls.key is not the key of /etc/tls.cert" },
  ]);
  const garbage = judgeCertificate({ ...pair(own), key: file("tls.key", "nothing") }, beforeMs);
  expect(garbage).toMatchObject([{ level: "problem", what: "/etc/tls.key is no key as PEM text" }]);
  const locked = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" } as const;
  const encrypted = createPrivateKey(own.key).export(locked).toString();
  expect(judgeCertificate({ ...pair(own), key: file("tls.key", encrypted) }, beforeMs)).toMatchObject([
    { level: "problem", todo: "store it without, with mode 600" },
  ]);
});

test("a key that everybody may read is a warning, one that everybody may change a problem", () => {
  const withMode = (mode: number) =>
    judgeCertificate({ ...pair(own), key: file("tls.key", own.key, { mode }) }, beforeMs);
  expect(withMode(0o644)).toMatchObject([{ check: "tls.key", level: "warning" }]);
  expect(withMode(0o640)).toMatchObject([{ check: "tls.cert", level: "ok" }]);
  expect(withMode(0o666)).toMatchObject([{ check: "tls.key", level: "problem" }]);
});

test("what is missing is a problem, what this user may not read is said", () => {
  expect(judgeCertificate({ ...pair(own), key: gone("ENOENT") }, beforeMs)).toMatchObject([{ level: "problem" }]);
  expect(judgeCertificate({ ...pair(own), key: gone("EACCES") }, beforeMs)).toMatchObject([{ level: "advice" }]);
});

test("what the user of the service may not read is a problem for root too", () => {
  const judge = (by: string) =>
    judgeCertificate({ ...pair(own), key: file("tls.key", own.key, { closed: { to: "fogbank", by } }) }, beforeMs);
  expect(judge("/etc/tls.key")).toMatchObject([
    { check: "tls.key", level: "problem", todo: "chown fogbank /etc/tls.key" },
  ]);
  expect(judge("/etc")).toMatchObject([{ what: expect.stringContaining(": /etc keeps that user out") as string }]);
});

test("a certificate for another name, none at all, and a chain in the wrong order", () => {
  expect(judgeCertificate(pair(own, "device-2"), beforeMs)).toMatchObject([
    { level: "problem", what: expect.stringContaining('is for "device-1", and this node is "device-2"') as string },
  ]);
  const none = { cert: file("tls.cert", "x"), key: file("tls.key", own.key) };
  expect(judgeCertificate(none, beforeMs)).toMatchObject([{ level: "problem" }]);
  const chained = (second: string) =>
    judgeCertificate({ ...pair(own), cert: file("tls.cert", own.cert + second) }, beforeMs).map(({ level }) => level);
  expect(chained(authority.cert)).toEqual(["ok"]);
  expect(chained(createTestAuthority("another").cert)).toEqual(["warning"]);
});

test("authorities: a valid one, one that is none, expired ones, no text", () => {
  const judge = (text: string, nowMs: number) =>
    judgeAuthorities(file("tls.ca", text), nowMs).map(({ level }) => level);
  expect(judge(authority.cert, beforeMs)).toEqual(["ok"]);
  expect(judge(authority.cert + own.cert, beforeMs)).toEqual(["warning"]);
  expect(judge(authority.cert, Date.UTC(2050, 1))).toEqual(["problem"]);
  expect(judge("", beforeMs)).toEqual(["problem"]);
  expect(judgeAuthorities({ ...gone("ENOENT"), setting: "tls.ca" }, beforeMs)).toMatchObject([{ level: "problem" }]);
});

test("a file of users may begin with an empty line, and has few readers", () => {
  const judge = (text: string, mode: number) => judgePrivateFile(file("auth.users", text, { mode }))[0]?.level;
  expect([judge("\n", 0o600), judge("x", 0o604), judge("x", 0o602)]).toEqual(["ok", "warning", "problem"]);
});

test("a secret has a first line and few readers", () => {
  const judge = (text: string, mode: number) =>
    judgeSecretFile(file("uplink.secret-file", text, { mode })).map(({ level }) => level);
  expect(judge("s3cret\n", 0o600)).toEqual(["ok"]);
  expect(judge("\n", 0o600)).toEqual(["problem"]);
  expect(judge("s3cret", 0o604)).toEqual(["warning"]);
});
