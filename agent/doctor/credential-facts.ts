// Reads the files that a configuration names as secret or as certificates, and has each judged.
import { readFileSync, statSync } from "node:fs";
import { asFogbankError } from "#shared/errors.ts";
import { readUsersFile } from "../auth/users-file.ts";
import type { NodeConfig } from "../config/config.ts";
import {
  type FileFacts,
  judgeAuthorities,
  judgeCertificate,
  judgePrivateFile,
  judgeSecretFile,
} from "./credentials.ts";
import type { Finding } from "./finding.ts";
import { codeOf } from "./proc-text.ts";
import { barrierFor, serviceUser, type SystemUser } from "./service-user.ts";

export function checkCredentials({ name, dataDir, tls, uplink, auth }: NodeConfig, nowMs: number): readonly Finding[] {
  const user = serviceUserOf(dataDir);
  const lookAt = (setting: string, path: string): FileFacts => readFacts(setting, path, user);
  const findings: Finding[] = [];
  if (tls !== undefined) {
    findings.push(...judgeCertificate({ cert: lookAt("tls.cert", tls.cert), key: lookAt("tls.key", tls.key) }, nowMs));
    if (tls.ca !== undefined) findings.push(...judgeAuthorities(lookAt("tls.ca", tls.ca), nowMs));
  }
  if (uplink?.cert !== undefined && uplink.key !== undefined) {
    const cert = lookAt("uplink.cert", uplink.cert);
    const mustName = uplink.secretFile === undefined ? name : undefined;
    findings.push(...judgeCertificate({ cert, key: lookAt("uplink.key", uplink.key), mustName }, nowMs));
  }
  if (uplink?.ca !== undefined) findings.push(...judgeAuthorities(lookAt("uplink.ca", uplink.ca), nowMs));
  if (uplink?.secretFile !== undefined)
    findings.push(...judgeSecretFile(lookAt("uplink.secret-file", uplink.secretFile)));
  if (auth.users !== undefined) findings.push(...checkUsers(lookAt("auth.users", auth.users)));
  return findings;
}

function checkUsers(file: FileFacts): readonly Finding[] {
  const { path } = file;
  const findings = judgePrivateFile(file);
  if (findings.some(({ level }) => level === "problem" || level === "advice")) return findings;
  try {
    readUsersFile(path);
    return findings;
  } catch (error) {
    const { code, message } = asFogbankError(error);
    const todo = "correct it, best by `fogbank user`";
    return [{ check: "auth.users", level: "problem", what: `${code}: ${message}`, todo }];
  }
}

function readFacts(setting: string, path: string, user: SystemUser | undefined): FileFacts {
  try {
    const { mode } = statSync(path);
    const by = user && barrierFor(user, path);
    const closed = user !== undefined && by !== undefined && { to: user.name, by };
    return { setting, path, mode: mode & 0o777, text: readFileSync(path, "utf8"), ...(closed && { closed }) };
  } catch (error) {
    return { setting, path, mode: 0, failure: codeOf(error) };
  }
}

function serviceUserOf(dataDir: string): SystemUser | undefined {
  try {
    return serviceUser(dataDir);
  } catch {
    return undefined; // not to be seen
  }
}
