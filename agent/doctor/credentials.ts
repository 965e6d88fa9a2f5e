// Whether certificates, keys and other secret files can be used: readable, whole, in date, fitting each other, and seen by few.
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { formatDuration } from "../cli/quantities.ts";
import { type Finding, ok, unseen } from "./finding.ts";

/** A file as it was found. */
export interface FileFacts {
  /** The setting that names it, such as "tls.cert". */
  readonly setting: string;
  readonly path: string;
  /** `text` without `failure`, or the error's code. */
  readonly text?: string;
  readonly failure?: string;
  /** The user of the service, who is kept out by the file or folder that is named. */
  readonly closed?: { readonly to: string; readonly by: string };
  /** Permission bits. */
  readonly mode: number;
}

/** A certificate with its key, a node's own. */
export interface CertificateFacts {
  readonly cert: FileFacts;
  readonly key: FileFacts;
  /** The name that it must have as its common name; undefined where any will do. */
  readonly mustName?: string | undefined;
}

const dayMs = 86_400_000;
const soonMs = 30 * dayMs;

/** `nowMs`: milliseconds since 1970. */
export function judgeCertificate({ cert, key, mustName }: CertificateFacts, nowMs: number): readonly Finding[] {
  const unusable = [cert, key].flatMap(judgeReading);
  const findings: Finding[] = [...unusable, ...judgeSecrecy(key)];
  if (cert.text !== undefined) findings.push(...judgeChain(cert, cert.text, nowMs, mustName));
  if (cert.text !== undefined && key.text !== undefined) findings.push(...judgePair(cert, key));
  if (findings.length > 0) return findings;
  return [ok(checkOf(cert), `${cert.path} ${validity(parse(cert.text ?? "")[0], nowMs)}`)];
}

/** Certificates of authorities. */
export function judgeAuthorities(file: FileFacts, nowMs: number): readonly Finding[] {
  const unusable = judgeReading(file);
  if (file.text === undefined) return unusable;
  const certificates = parse(file.text);
  if (certificates.length === 0) return [noCertificate(file)];
  const expired = certificates.filter((one) => Date.parse(one.validTo) <= nowMs);
  if (expired.length === certificates.length) return [outOfDate(file, certificates[0], nowMs)];
  const notAuthority = certificates.find(({ ca }) => !ca);
  if (notAuthority !== undefined) {
    return [
      {
        check: checkOf(file),
        level: "warning",
        what: `${file.path}: the certificate of "${nameOf(notAuthority)}" is not that of an authority`,
        todo: "put there who has signed the certificates of the others, not those themselves",
      },
    ];
  }
  const next = certificates.toSorted((a, b) => Date.parse(a.validTo) - Date.parse(b.validTo))[expired.length];
  return soon(file, next, nowMs) ?? [ok(checkOf(file), `${file.path} ${validity(next, nowMs)}`)];
}

/** A file that only the node is to read. */
export function judgePrivateFile(file: FileFacts): readonly Finding[] {
  const findings = [...judgeReading(file), ...judgeSecrecy(file)];
  return findings.length > 0 ? findings : [ok(checkOf(file), `${file.path} is readable, and not for everybody`)];
}

/** The same with a secret in its first line. */
export function judgeSecretFile(file: FileFacts): readonly Finding[] {
  const isEmpty = file.text !== undefined && file.text.split(/\r?\n/)[0] === "";
  if (!isEmpty) return judgePrivateFile(file);
  const what = `the first line of ${file.path} is empty`;
  return [{ check: checkOf(file), level: "problem", what, todo: "put the secret there" }];
}

function checkOf({ setting }: FileFacts): string {
  return setting;
}

function judgeReading(file: FileFacts): readonly Finding[] {
  const { failure, path, closed } = file;
  if (closed !== undefined) {
    return [
      {
        check: checkOf(file),
        level: "problem",
        what: `${path} cannot be read by ${closed.to}, who owns the data directory${closed.by === path ? "" : `: ${closed.by} keeps that user out`}`,
        todo:
          closed.by === path
            ? `chown ${closed.to} ${path}`
            : `let that user in: chmod o+x ${closed.by}, or put the file elsewhere`,
      },
    ];
  }
  if (failure === undefined) return [];
  if (failure === "EACCES" || failure === "EPERM" || failure === "ERR_ACCESS_DENIED")
    return [unseen(checkOf(file), path)];
  return [
    {
      check: checkOf(file),
      level: "problem",
      what: failure === "ENOENT" ? `${path} is not there` : `${path} cannot be read (${failure})`,
      todo: `put the file there, or correct ${file.setting}`,
    },
  ];
}

function judgeSecrecy(file: FileFacts): readonly Finding[] {
  if (file.failure !== undefined || (file.mode & 0o007) === 0) return [];
  const isWritable = (file.mode & 0o002) !== 0;
  return [
    {
      check: checkOf(file),
      level: isWritable ? "problem" : "warning",
      what: `everybody on this machine may ${isWritable ? "change" : "read"} ${file.path}`,
      todo: `chmod 600 ${file.path}, or 640 with a group of the node's own`,
    },
  ];
}

function judgeChain(file: FileFacts, text: string, nowMs: number, mustName: string | undefined): readonly Finding[] {
  const [own, issuer] = parse(text);
  if (own === undefined) return [noCertificate(file)];
  const findings: Finding[] = [];
  if (Date.parse(own.validTo) <= nowMs || Date.parse(own.validFrom) > nowMs) findings.push(outOfDate(file, own, nowMs));
  else findings.push(...(soon(file, own, nowMs) ?? []));
  if (issuer !== undefined && !own.checkIssued(issuer)) {
    findings.push({
      check: checkOf(file),
      level: "warning",
      what: `${file.path}: the second certificate has not signed the first`,
      todo: "put the node's own certificate first, then the one that has signed it, and so on",
    });
  }
  if (mustName !== undefined && nameOf(own) !== mustName) {
    findings.push({
      check: checkOf(file),
      level: "problem",
      what: `${file.path} is for "${nameOf(own)}", and this node is "${mustName}": the parent takes it for a client, not for this node`,
      todo: `take a certificate with the common name ${mustName}, or set name to that of the certificate`,
    });
  }
  return findings;
}

function judgePair(cert: FileFacts, key: FileFacts): readonly Finding[] {
  const [own] = parse(cert.text ?? "");
  if (own === undefined) return [];
  try {
    const ofKey = createPublicKey(createPrivateKey(key.text ?? "")).export({ type: "spki", format: "der" });
    if (ofKey.equals(own.publicKey.export({ type: "spki", format: "der" }))) return [];
  } catch {
    const isEncrypted = /ENCRYPTED/.test(key.text ?? "");
    return [
      {
        check: checkOf(key),
        level: "problem",
        what: `${key.path} ${isEncrypted ? "needs a passphrase, for which a node does not ask" : "is no key as PEM text"}`,
        todo: isEncrypted ? "store it without, with mode 600" : "put the private key of the certificate there",
      },
    ];
  }
  return [
    {
      check: checkOf(key),
      level: "problem",
      what: `${key.path} is not the key of ${cert.path}`,
      todo: "take both from the same issue: after a renewal both files are to be replaced",
    },
  ];
}

function parse(pem: string): readonly X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return [];
  }
}

function noCertificate(file: FileFacts): Finding {
  return {
    check: checkOf(file),
    level: "problem",
    what: `${file.path} has no certificate as PEM text`,
    todo: "it must begin with -----BEGIN CERTIFICATE-----; another format can be converted by openssl x509",
  };
}

function outOfDate(file: FileFacts, certificate: X509Certificate | undefined, nowMs: number): Finding {
  const isEarly = certificate !== undefined && Date.parse(certificate.validFrom) > nowMs;
  return {
    check: checkOf(file),
    level: "problem",
    what: `${file.path} ${validity(certificate, nowMs)}`,
    todo: isEarly ? "see whether the clock of this machine is right" : `renew it; ${readAgain(file)}`,
  };
}

function soon(
  file: FileFacts,
  certificate: X509Certificate | undefined,
  nowMs: number,
): readonly Finding[] | undefined {
  if (certificate === undefined || Date.parse(certificate.validTo) - nowMs > soonMs) return undefined;
  return [
    {
      check: checkOf(file),
      level: "warning",
      what: `${file.path} ${validity(certificate, nowMs)}`,
      todo: `renew it before; ${readAgain(file)}`,
    },
  ];
}

function validity(certificate: X509Certificate | undefined, nowMs: number): string {
  if (certificate === undefined) return "has no certificate";
  const fromMs = Date.parse(certificate.validFrom);
  const toMs = Date.parse(certificate.validTo);
  if (fromMs > nowMs) return `is valid only from ${day(fromMs)} on`;
  return toMs <= nowMs
    ? `has expired on ${day(toMs)} (${days(nowMs - toMs)} ago)`
    : `is valid until ${day(toMs)} (${days(toMs - nowMs)})`;
}

function days(ms: number): string {
  return ms < dayMs ? formatDuration(ms) : `${Math.floor(ms / dayMs)} d`;
}

function readAgain({ setting }: FileFacts): string {
  return setting.startsWith("uplink.")
    ? "a node reads it at each connection"
    : "a running node reads it again at SIGHUP";
}

function day(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** The first common name. */
function nameOf(certificate: X509Certificate): string {
  return /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? certificate.subject.replaceAll("\n", ", ");
}
