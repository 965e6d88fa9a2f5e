// Dials the parent as far as that disturbs nobody: name, port and handshake always, its broker only while no node of this
// configuration runs, and then under a client identifier of its own.
import { lookup } from "node:dns/promises";
import { connect as connectTcp, isIP } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Clock } from "#shared/system/clock.ts";
import { limits } from "#shared/limits.ts";
import { within } from "../client/deadline.ts";
import type { NodeConfig } from "../config/config.ts";
import { maskPasswords, type UplinkConfig } from "../config/uplink-url.ts";
import { uplinkCredentials } from "../link/mqtt-parent.ts";
import type { TlsFiles } from "../link/secured-socket.ts";
import { tryMqtt } from "./mqtt-probe.ts";
import type { ParentFacts, TlsFacts } from "./parent.ts";
import type { ClockDifference } from "./clock.ts";
import { codeOf } from "./proc-text.ts";
import type { RunningNodeFacts } from "./running-node.ts";

export interface ProbedParent {
  readonly facts: ParentFacts;
  /** Its clock, if it told. */
  readonly difference?: ClockDifference;
}

/** `id`: 32 hexadecimal digits, drawn at random. Rejects with the signal's reason alone. */
export async function probeParent(
  clock: Clock,
  { name, uplink }: NodeConfig & { readonly uplink: UplinkConfig },
  running: RunningNodeFacts | undefined,
  id: string,
  signal: AbortSignal,
): Promise<ProbedParent> {
  const { host, port, url } = uplink;
  const base = { url: maskPasswords(url), host, port, name, now: new Date(clock.now()).toISOString() };
  const addresses = await timed(clock, addressesOf(host), signal);
  if (typeof addresses === "string") return { facts: { ...base, addresses } };
  const tcp = await timed(clock, tryTcp(host, port, signal), signal);
  if (tcp !== "ok") return { facts: { ...base, addresses, tcp } };
  const credentials = await uplinkCredentials(uplink).catch(() => undefined);
  // Without the files the certificate cannot be judged either; that they cannot be read is another finding.
  if (credentials === undefined) {
    return { facts: { ...base, addresses, tcp, mqtt: { outcome: "not-tried", why: "unreadable" } } };
  }
  const { tls: files } = credentials;
  const tls = files !== undefined && (await timed(clock, tryTls(uplink, files, signal), signal));
  const reached = { ...base, addresses, tcp, ...(tls && { tls: typeof tls === "string" ? { refusal: tls } : tls }) };
  if (reached.tls?.refusal !== undefined) return { facts: reached };
  if (running?.status !== undefined) return { facts: { ...reached, uplink: running.status.uplink } };
  if (running !== undefined) return { facts: reached };
  if (uplink.secretFile !== undefined) return { facts: { ...reached, mqtt: { outcome: "not-tried", why: "secret" } } };
  const { facts: mqtt, difference } = await tryMqtt(clock, { host, port }, files, id, signal);
  return { facts: { ...reached, mqtt }, ...(difference && { difference }) };
}

/** What `work` comes to, or the code of its failure. Rejects with the signal's reason when that aborts. */
async function timed<T>(clock: Clock, work: Promise<T>, signal: AbortSignal): Promise<T | string> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    const late = (): Error => new Error("ETIMEDOUT");
    const outcome = await within(clock, limits.connectTimeoutMs, Promise.race([work, aborted.promise]), late);
    signal.throwIfAborted(); // the work may have ended because of it
    return outcome;
  } catch (error) {
    signal.throwIfAborted();
    return codeOf(error);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function addressesOf(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

function tryTcp(host: string, port: number, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host, port, timeout: limits.connectTimeoutMs });
    const abort = (): void => end("ABORT_ERR");
    const end = (outcome: string): void => {
      signal.removeEventListener("abort", abort);
      socket.destroy();
      resolve(outcome);
    };
    signal.addEventListener("abort", abort);
    socket.once("connect", () => end("ok"));
    socket.once("timeout", () => end("ETIMEDOUT"));
    socket.once("error", (error) => end(codeOf(error)));
  });
}

/** Makes the handshake whatever the certificate is like, to tell what is wrong with it. */
function tryTls({ host, port }: UplinkConfig, files: TlsFiles, signal: AbortSignal): Promise<TlsFacts> {
  return new Promise((resolve) => {
    const socket = connectTls({
      host,
      port,
      ...(isIP(host) === 0 && { servername: host }),
      ...files,
      rejectUnauthorized: false,
      timeout: limits.connectTimeoutMs,
    });
    const abort = (): void => end({ refusal: "ABORT_ERR" });
    const end = (facts: TlsFacts): void => {
      signal.removeEventListener("abort", abort);
      socket.destroy();
      resolve(facts);
    };
    signal.addEventListener("abort", abort);
    socket.once("secureConnect", () => end(believed(socket)));
    socket.once("timeout", () => end({ refusal: "ETIMEDOUT" }));
    socket.once("error", (error) => end({ refusal: codeOf(error) }));
  });
}

function believed(socket: TLSSocket): TlsFacts {
  const { subject, valid_to: validTo } = socket.getPeerCertificate();
  if (socket.authorized) return { refusal: undefined, expires: new Date(validTo).toISOString() };
  const refusal: unknown = socket.authorizationError;
  const commonName = subject?.CN;
  return {
    refusal: refusal instanceof Error ? codeOf(refusal) : String(refusal),
    ...(typeof commonName === "string" && { subject: commonName }),
  };
}
