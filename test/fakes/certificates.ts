// Certificates for tests, made on the spot: X.509 version 3 in DER, written by hand since Node can read but not make them.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";

export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** An authority and what it signs. */
export interface TestAuthority extends TestCertificate {
  /** For servers on 127.0.0.1 and ::1, and for clients named so. Several names make a subject with several common names. */
  issue(...commonNames: readonly string[]): TestCertificate;
  /** The same, valid until then and not before 2020: `YYMMDDhhmmssZ`. */
  issueUntil(until: string, ...commonNames: readonly string[]): TestCertificate;
}

const farAway = "491231235959Z";

const sequence = 0x30;
const set = 0x31;
const integer = 0x02;
const bitString = 0x03;
const octetString = 0x04;
const objectId = 0x06;
const utf8String = 0x0c;
const utcTime = 0x17;
const boolean = 0x01;

const ecdsaWithSha256 = der(sequence, der(objectId, Buffer.from("2a8648ce3d040302", "hex")));
const commonName = der(objectId, Buffer.from("550403", "hex"));
const basicConstraints = der(objectId, Buffer.from("551d13", "hex"));
const subjectAltName = der(objectId, Buffer.from("551d11", "hex"));
const yes = der(boolean, Buffer.of(0xff));

export function createTestAuthority(name = "test authority"): TestAuthority {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const isAuthority = der(sequence, basicConstraints, yes, der(octetString, der(sequence, yes)));
  const issuer = nameOf([name]);
  const authority: TestAuthority = {
    ...pemOf(certificate(issuer, issuer, keys.publicKey, keys.privateKey, isAuthority, farAway), keys.privateKey),
    issue: (...commonNames) => authority.issueUntil(farAway, ...commonNames),
    issueUntil(until, ...commonNames) {
      const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const addresses = der(
        sequence,
        der(0x82, Buffer.from("localhost")),
        der(0x87, Buffer.of(127, 0, 0, 1)),
        der(0x87, Buffer.concat([Buffer.alloc(15), Buffer.of(1)])),
      );
      const names = der(sequence, subjectAltName, der(octetString, addresses));
      const subject = nameOf(commonNames);
      return pemOf(certificate(issuer, subject, own.publicKey, keys.privateKey, names, until), own.privateKey);
    },
  };
  return authority;
}

function certificate(
  issuer: Buffer,
  subject: Buffer,
  publicKey: KeyObject,
  signer: KeyObject,
  extension: Buffer,
  until: string,
): Buffer {
  const body = der(
    sequence,
    der(0xa0, der(integer, Buffer.of(2))),
    der(integer, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ecdsaWithSha256,
    issuer,
    der(sequence, der(utcTime, Buffer.from("200101000000Z")), der(utcTime, Buffer.from(until))),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, der(sequence, extension)),
  );
  const signature = sign("sha256", body, signer);
  return der(sequence, body, ecdsaWithSha256, der(bitString, Buffer.of(0), signature));
}

function nameOf(commonNames: readonly string[]): Buffer {
  return der(
    sequence,
    ...commonNames.map((name) => der(set, der(sequence, commonName, der(utf8String, Buffer.from(name))))),
  );
}

function pemOf(bytes: Buffer, key: KeyObject): TestCertificate {
  const lines = bytes.toString("base64").replace(/.{64}(?=.)/g, "$&\n");
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: key.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents);
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...head), content]);
}
