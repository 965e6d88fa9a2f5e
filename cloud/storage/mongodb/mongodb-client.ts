// The driver's client, set up so that what it has acknowledged is on the disks of a majority, and that it always answers in the end.
import { readFileSync } from "node:fs";
import { MongoClient, type MongoClientOptions } from "mongodb";
import { FogbankError } from "#shared/errors.ts";
import type { MongodbSettings } from "./mongodb-settings.ts";

/** How often a server is asked whether it is well; how long an operation waits for a primary, a connection, an answer and a majority. */
const timeouts = {
  heartbeatFrequencyMS: 2_000,
  serverSelectionTimeoutMS: 5_000,
  connectTimeoutMS: 5_000,
  socketTimeoutMS: 20_000,
};
const majorityMs = 10_000;

/** Connects when it is used. Throws FOGBANK_CONFIG_INVALID for a URL or a file that cannot be used. */
export function openMongoClient(settings: MongodbSettings): MongoClient {
  const { url, user, passwordFile, ca, certificateKey } = settings;
  const options: MongoClientOptions = {
    appName: "fogbank",
    writeConcern: { w: "majority", journal: true, wtimeoutMS: majorityMs },
    readConcern: { level: "majority" },
    readPreference: "primary",
    // What the URL says is meant.
    ...Object.fromEntries(Object.entries(timeouts).filter(([name]) => !new RegExp(`[?&]${name}=`, "i").test(url))),
    ...(user && passwordFile && { auth: { username: user, password: firstLine(passwordFile) } }),
    ...(ca && { tls: true, tlsCAFile: ca }),
    ...(certificateKey && { tls: true, tlsCertificateKeyFile: certificateKey }),
  };
  try {
    return new MongoClient(url, options);
  } catch (error) {
    throw invalid("documents.url", error);
  }
}

function firstLine(file: string): string {
  try {
    return readFileSync(file, "utf8").split(/\r?\n/, 1)[0] ?? "";
  } catch (error) {
    throw invalid("documents.password-file", error);
  }
}

function invalid(key: string, error: unknown): FogbankError {
  const reason = error instanceof Error ? error.message : String(error);
  return new FogbankError("FOGBANK_CONFIG_INVALID", `${key}: ${reason}`, { cause: error });
}
