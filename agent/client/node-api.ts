// A node's HTTP API as functions. Errors say which address was asked and what to try; nothing is retried.
import * as v from "valibot";
import { FogbankError } from "#shared/errors.ts";
import type { AccountingReport, ConditionReport, DataLine, RangeReport, StatusReport } from "#shared/reports.ts";
import type { Clock } from "#shared/system/clock.ts";
import { within } from "./deadline.ts";
import { accountingSchema, conditionSchema, dataLineSchema, rangeSchema, statusSchema } from "./report-schema.ts";

/**
 * Every function rejects with FOGBANK_NOT_CONNECTED when no node answers there in time, with FOGBANK_HTTP_REQUEST when the
 * node refuses the request, and with the signal's reason when that aborts.
 */
export interface NodeApi {
  /** Where the node is asked, with a slash at its end. */
  readonly url: string;
  status(signal?: AbortSignal): Promise<StatusReport>;
  accounting(filter: AccountingFilter, signal?: AbortSignal): Promise<readonly AccountingReport[]>;
  /** What became of an origin's messages of a span of time. */
  range(query: RangeQuery, signal?: AbortSignal): Promise<readonly RangeReport[]>;
  /** What a condition comes to on that node, and as far as it can tell on those below it. */
  condition(text: string, signal?: AbortSignal): Promise<ConditionReport>;
  /** A page of the stored data; go on with the last line's cursor as `after`. */
  data(query: DataPageQuery, signal?: AbortSignal): Promise<readonly DataLine[]>;
}

export interface AccountingFilter {
  readonly origin?: string | undefined;
  readonly stream?: string | undefined;
}

export interface RangeQuery {
  readonly origin: string;
  readonly stream?: string | undefined;
  /** ISO 8601. Absent: since ever, and until now. */
  readonly from?: string | undefined;
  readonly to?: string | undefined;
}

export interface DataPageQuery extends AccountingFilter {
  /** Topic levels behind `/data/`, with `/#` at the end for everything below. */
  readonly path?: string | undefined;
  readonly after?: number | undefined;
  readonly limit?: number | undefined;
}

/** How long a node may take for one answer. */
const answerMsMax = 10_000;
/** Bytes of one answer: the accounts of some hundred thousand streams, and less than one string can hold. */
const answerBytesMax = 128 * 1024 * 1024;

/** The node whose HTTP address is `url`, such as `http://127.0.0.1:8080`. */
export function createNodeApi(clock: Clock, url: string): NodeApi {
  const base = url.endsWith("/") ? url : `${url}/`;
  const ask = <T>(path: string, read: (body: string) => T, signal?: AbortSignal): Promise<T> =>
    get(clock, new URL(path, base), read, signal);
  return {
    url: base,
    status: (signal) => ask("api/v1/status", (body) => parse(statusSchema, body), signal),
    accounting: (filter, signal) =>
      ask(`api/v1/accounting${search({ ...filter })}`, (body) => parse(accountingSchema, body), signal),
    range: (query, signal) =>
      ask(`api/v1/accounting${search({ ...query })}`, (body) => parse(rangeSchema, body), signal),
    condition: (text, signal) =>
      ask(`api/v1/condition${search({ if: text })}`, (body) => parse(conditionSchema, body), signal),
    data: (query, signal) =>
      ask(
        `api/v1/data${search({ ...query })}`,
        (body) =>
          body
            .split("\n")
            .filter((line) => line !== "")
            .map((line) => parse(dataLineSchema, line)),
        signal,
      ),
  };
}

async function get<T>(clock: Clock, url: URL, read: (body: string) => T, signal?: AbortSignal): Promise<T> {
  const over = new AbortController();
  const signals = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal]);
  const late = (): FogbankError => noNode(url, `no answer within ${answerMsMax / 1000} s`);
  let answer: Answer;
  try {
    answer = await within(clock, answerMsMax, exchange(url, signals), late);
  } catch (error) {
    if (signal?.aborted === true || error instanceof FogbankError) throw error;
    throw noNode(url, reasonOf(error), error);
  } finally {
    over.abort();
  }
  if (answer.status !== 200) throw refusal(url, answer);
  try {
    return read(answer.body);
  } catch (error) {
    throw notFogbank(url, error instanceof Error ? error.message : "it cannot be read", error);
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function exchange(url: URL, signal: AbortSignal): Promise<Answer> {
  const response = await fetch(url, { signal, redirect: "manual", headers: { accept: "application/json" } });
  const decoder = new TextDecoder();
  let body = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > answerBytesMax) {
      throw new FogbankError(
        "FOGBANK_HTTP_REQUEST",
        `${url.href} answers more than ${answerBytesMax} bytes: ask for less`,
      );
    }
    body += decoder.decode(chunk, { stream: true });
  }
  return { status: response.status, body: body + decoder.decode() };
}

/** Throws an Error that says what is wrong with `body`. */
function parse<T>(schema: v.GenericSchema<unknown, T>, body: string): T {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new Error("it is not JSON", { cause });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new Error(
    `${v.getDotPath(issue) ?? "it"}: expected ${issue.expected ?? "something else"}, found ${issue.received}`,
  );
}

const errorSchema = v.looseObject({ error: v.string(), code: v.exactOptional(v.string()) });

/** A node explains what it refuses as JSON; anything else comes from another program. */
function refusal(url: URL, { status, body }: Answer): FogbankError {
  try {
    const { error, code } = parse<v.InferOutput<typeof errorSchema>>(errorSchema, body);
    const text = code === undefined || code === "FOGBANK_HTTP_REQUEST" ? error : `${code}: ${error}`;
    return new FogbankError("FOGBANK_HTTP_REQUEST", `${url.href} answered ${status}: ${text}`);
  } catch (cause) {
    return notFogbank(url, `it has status ${status}`, cause);
  }
}

function notFogbank(url: URL, reason: string, cause: unknown): FogbankError {
  return new FogbankError(
    "FOGBANK_NOT_CONNECTED",
    `the answer of ${url.href} is not that of a Fogbank node of this version (${reason}): give the address that the node's listen.http names`,
    { cause },
  );
}

function noNode(url: URL, reason: string, cause?: unknown): FogbankError {
  return new FogbankError(
    "FOGBANK_NOT_CONNECTED",
    `cannot reach a node at ${url.origin} (${reason}): start it there, or give the address that its listen.http names`,
    { cause },
  );
}

/** `fetch` wraps the socket's error, which says more. */
function reasonOf(error: unknown): string {
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(inner instanceof Error)) return "unknown failure";
  if ("code" in inner && typeof inner.code === "string") return inner.code;
  return inner.message;
}

function search(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) given.set(name, String(value));
  }
  return given.size === 0 ? "" : `?${given.toString()}`;
}
