// The parent connection over TCP or TLS: how it is dialled, and what is said when that fails.
import { readFile } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { FogbankError } from "#shared/errors.ts";
import { limits } from "#shared/limits.ts";
import { returnCode } from "#shared/mqtt/reason-codes.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { UplinkConfig } from "../config/uplink-url.ts";
import type { DialParent } from "./parent-connection.ts";
import { ParentSocket, Refused } from "./parent-socket.ts";
import type { TlsFiles } from "./secured-socket.ts";

/** Dials `uplink`, with what its files say at that moment. A connection that is disposed has a moment to send what is written; a parent that does not read cannot hold it open. */
export function mqttParent(clock: Clock, uplink: UplinkConfig): DialParent {
  return async (options, signal) => {
    signal.throwIfAborted();
    const { password, tls } = await uplinkCredentials(uplink);
    signal.throwIfAborted();
    const deadline = createDeadline(clock);
    const attempt = AbortSignal.any([signal, deadline.signal]);
    try {
      const parent = new ParentSocket(clock, await connected(uplink, tls, attempt), options);
      await parent.open(password, attempt);
      return parent;
    } catch (error) {
      if (signal.aborted) throw new FogbankError("FOGBANK_NOT_CONNECTED", "the attempt was given up", { cause: error });
      throw new FogbankError("FOGBANK_NOT_CONNECTED", describe(error), { cause: error });
    } finally {
      deadline.reached();
    }
  };
}

/** Aborts when the parent has not let this node in after a while. */
function createDeadline(clock: Clock): { readonly signal: AbortSignal; reached(): void } {
  const tooLate = new AbortController();
  const inTime = new AbortController();
  clock.sleep(limits.connectTimeoutMs, inTime.signal).then(
    () => tooLate.abort(new Error(`the parent did not answer within ${limits.connectTimeoutMs / 1000} s`)),
    () => undefined,
  );
  return { signal: tooLate.signal, reached: () => inTime.abort() };
}

async function connected(
  { host, port }: UplinkConfig,
  tls: TlsFiles | undefined,
  signal: AbortSignal,
): Promise<Socket> {
  const secured =
    tls === undefined ? undefined : (await import("./secured-socket.ts")).dialSecured({ host, port }, tls);
  const socket = secured ?? connect({ host, port });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => reject(signal.reason);
  const onClose = (): void => reject(new Error("the connection closed"));
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  socket
    .once(secured === undefined ? "connect" : "secureConnect", resolve)
    .on("error", reject)
    .on("close", onClose);
  try {
    await promise;
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", abort);
    socket.off("close", onClose);
  }
}

interface Credentials {
  readonly password: string | undefined;
  /** Undefined without TLS. */
  readonly tls: TlsFiles | undefined;
}

/** What this node shows its parent, and whom it believes. Rejects with FOGBANK_NOT_CONNECTED when a file cannot be read. */
export async function uplinkCredentials({ isTls, secretFile, ca, cert, key }: UplinkConfig): Promise<Credentials> {
  const secret = secretFile === undefined ? undefined : await textOf("uplink.secret-file", secretFile);
  return {
    password: secret?.replace(/\r?\n.*/s, ""),
    tls:
      isTls === true
        ? {
            ...(ca !== undefined && { ca: await textOf("uplink.ca", ca) }),
            ...(cert !== undefined && { cert: await textOf("uplink.cert", cert) }),
            ...(key !== undefined && { key: await textOf("uplink.key", key) }),
          }
        : undefined,
  };
}

async function textOf(setting: string, path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FogbankError(
      "FOGBANK_NOT_CONNECTED",
      `cannot read ${setting} ${path}: ${reason}: name a file that this user may read`,
      { cause },
    );
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof Refused) return describeRefusal(error);
  return error.message === "" && "code" in error ? String(error.code) : error.message;
}

function describeRefusal({ message, returnCode: code }: Refused): string {
  switch (code) {
    case returnCode.notAuthorized:
      return `${message}: another node of this name may be connected there`;
    case returnCode.badCredentials:
      return `${message}: the parent asks for proof of this node's name: uplink.secret-file, or uplink.cert and uplink.key`;
    case returnCode.serverUnavailable:
      return `${message}: the parent is busy, or too many log-ins from here have failed`;
    default:
      return message;
  }
}
