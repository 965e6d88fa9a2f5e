// How fellows come to hold the same version of each configuration file (AGREEMENT.md): one fellow's part of it, without clock or wire.
import { type Winner, chooseWinner } from "./config-winner.ts";

/** All files of one fellow, as it tells them. `stamp` grows with each claim of a fellow, over its restarts too. */
export interface Claim {
  readonly fellow: string;
  readonly stamp: number;
  readonly weight: number;
  /** Hash by name of the file. */
  readonly files: ReadonlyMap<string, string>;
}

interface Wanted extends Winner {
  /** How often it was asked for. */
  readonly tries: number;
  readonly askAgainMs: number;
}

interface Ignored {
  readonly hash: string;
  readonly isInvalid: boolean;
}

export interface AgreementState {
  /** What this fellow tells of itself. */
  readonly own: Claim;
  readonly claimAgainMs: number;
  /** The other fellows that there are. */
  readonly fellows: ReadonlySet<string>;
  /** The latest claim of each of them. */
  readonly heard: ReadonlyMap<string, Claim>;
  /** Versions that are on their way here, by name of the file. */
  readonly wanted: ReadonlyMap<string, Wanted>;
  /** Versions that could not be had, which are asked for again when they are claimed again, or that are not valid here. */
  readonly ignored: ReadonlyMap<string, Ignored>;
  /** The last version of each file that was reported: once is enough. */
  readonly reported: ReadonlyMap<string, string>;
  /** Versions that everybody holds, and that were recorded here. */
  readonly recorded: ReadonlyMap<string, string>;
}

export type AgreementEvent =
  /** A version of a file is in force here; without `hash`, none is any more. */
  | { readonly type: "held"; readonly file: string; readonly hash?: string }
  | { readonly type: "weight"; readonly weight: number }
  /** The other fellows, as the coordinator or the configuration lists them. */
  | { readonly type: "fellows"; readonly fellows: ReadonlySet<string> }
  | { readonly type: "claim"; readonly claim: Claim }
  /** `fellow` asks for that version. */
  | { readonly type: "asked"; readonly fellow: string; readonly file: string; readonly hash: string }
  /** A version has come. Whoever carries it has checked that its bytes have that hash. */
  | { readonly type: "given"; readonly file: string; readonly hash: string; readonly data: Uint8Array }
  /** A version that was to be adopted is not valid here. */
  | { readonly type: "refused"; readonly file: string; readonly hash: string; readonly reason: string }
  | { readonly type: "tick" };

/** To be performed in this order. */
export type AgreementEffect =
  /** To all fellows. */
  | { readonly type: "tell"; readonly claim: Claim }
  | { readonly type: "ask"; readonly fellow: string; readonly file: string; readonly hash: string }
  /** What this fellow has of `file`, if it still has that hash. */
  | { readonly type: "give"; readonly fellow: string; readonly file: string; readonly hash: string }
  /** Store it in place of the version that is held. Answered by "held", or by "refused". */
  | { readonly type: "adopt"; readonly file: string; readonly hash: string; readonly data: Uint8Array }
  /** Everybody holds it, and it was won by this fellow, which writes it down. */
  | { readonly type: "record"; readonly file: string; readonly hash: string }
  /** The file stays as it is here, unlike that of the others. */
  | { readonly type: "report"; readonly file: string; readonly hash: string; readonly reason: string };

export const agreementTimes = {
  /** Claims are told again this often: one that is lost is not missed for longer. */
  claimMs: 30_000,
  /** A version that was asked for and has not come is asked for again, so many times in all. */
  askMs: 5_000,
  triesMax: 5,
} as const;

type Step = [AgreementState, readonly AgreementEffect[]];

/** `stamp`: more than any that this fellow has ever told, such as the time of its start. */
export function startAgreement(fellow: string, weight: number, stamp: number, nowMs: number): AgreementState {
  return {
    own: { fellow, weight, stamp, files: new Map() },
    claimAgainMs: nowMs,
    fellows: new Set(),
    heard: new Map(),
    wanted: new Map(),
    ignored: new Map(),
    reported: new Map(),
    recorded: new Map(),
  };
}

/** `nowMs` never steps back. */
export function stepAgreement(state: AgreementState, event: AgreementEvent, nowMs: number): Step {
  switch (event.type) {
    case "held": {
      if (state.own.files.get(event.file) === event.hash) return [state, []];
      const files = changed(state.own.files, event.file, event.hash);
      // Whatever was wrong with a version, the file has changed since.
      const ignored = changed(state.ignored, event.file, undefined);
      return tellAndSettle({ ...state, ignored, own: { ...state.own, files } }, nowMs);
    }
    case "weight":
      return tellAndSettle({ ...state, own: { ...state.own, weight: event.weight } }, nowMs);
    case "fellows": {
      const heard = new Map([...state.heard].filter(([fellow]) => event.fellows.has(fellow)));
      return tellAndSettle({ ...state, fellows: event.fellows, heard }, nowMs);
    }
    case "claim": {
      const { claim } = event;
      const isOld = claim.stamp <= (state.heard.get(claim.fellow)?.stamp ?? -Infinity);
      if (isOld || !state.fellows.has(claim.fellow)) return [state, []];
      const { files } = claim;
      const ignored = new Map(
        [...state.ignored].filter(([file, { hash, isInvalid }]) => isInvalid || files.get(file) !== hash),
      );
      return settle({ ...state, ignored, heard: changed(state.heard, claim.fellow, claim) }, nowMs);
    }
    case "asked": {
      const { fellow, file, hash } = event;
      return [state, state.own.files.get(file) === hash ? [{ type: "give", fellow, file, hash }] : []];
    }
    case "given": {
      const { file, hash, data } = event;
      return [state, state.wanted.get(file)?.hash === hash ? [{ type: "adopt", file, hash, data }] : []];
    }
    case "refused":
      if (state.wanted.get(event.file)?.hash !== event.hash) return [state, []];
      return ignore(state, event.file, { hash: event.hash, isInvalid: true }, event.reason);
    case "tick":
      return tick(state, nowMs);
  }
}

function tick(state: AgreementState, nowMs: number): Step {
  let next = state;
  const effects: AgreementEffect[] = [];
  for (const [file, wanted] of state.wanted) {
    if (nowMs < wanted.askAgainMs) continue;
    const { hash, fellow, tries } = wanted;
    if (tries >= agreementTimes.triesMax) {
      const [ignoring, told] = ignore(
        next,
        file,
        { hash, isInvalid: false },
        `it was asked for ${tries} times and did not come in use`,
      );
      next = ignoring;
      effects.push(...told);
      continue;
    }
    const again = { ...wanted, tries: tries + 1, askAgainMs: nowMs + agreementTimes.askMs };
    next = { ...next, wanted: changed(next.wanted, file, again) };
    effects.push({ type: "ask", fellow, file, hash });
  }
  if (nowMs < next.claimAgainMs) return [next, effects];
  const [told, telling] = tell(next, nowMs);
  return [told, [...effects, ...telling]];
}

function tellAndSettle(state: AgreementState, nowMs: number): Step {
  const [told, telling] = tell(state, nowMs);
  const [settled, effects] = settle(told, nowMs);
  return [settled, [...telling, ...effects]];
}

function tell(state: AgreementState, nowMs: number): Step {
  const own = { ...state.own, stamp: state.own.stamp + 1 };
  return [{ ...state, own, claimAgainMs: nowMs + agreementTimes.claimMs }, [{ type: "tell", claim: own }]];
}

/** Asks for what has won and is not held here; what everybody holds is written down by whoever won. */
function settle(state: AgreementState, nowMs: number): Step {
  const claims = [state.own, ...state.heard.values()];
  const isComplete = state.heard.size === state.fellows.size;
  let { wanted, ignored, recorded, reported } = state;
  const effects: AgreementEffect[] = [];
  for (const file of new Set(claims.flatMap(({ files }) => [...files.keys()]))) {
    const holders = claims.flatMap(({ fellow, weight, files }) => {
      const hash = files.get(file);
      return hash === undefined ? [] : [{ fellow, weight, hash }];
    });
    const winner = chooseWinner(holders);
    if (winner === undefined) continue;
    const { hash, fellow } = winner;
    if (ignored.get(file)?.hash !== hash) ignored = changed(ignored, file, undefined);
    if (state.own.files.get(file) === hash) {
      wanted = changed(wanted, file, undefined);
      reported = changed(reported, file, undefined);
      const isAgreed = isComplete && holders.length === claims.length && holders.every((one) => one.hash === hash);
      if (!isAgreed || fellow !== state.own.fellow || recorded.get(file) === hash) continue;
      recorded = changed(recorded, file, hash);
      effects.push({ type: "record", file, hash });
    } else if (ignored.get(file)?.hash === hash) wanted = changed(wanted, file, undefined);
    else if (wanted.get(file)?.hash !== hash) {
      wanted = changed(wanted, file, { ...winner, tries: 1, askAgainMs: nowMs + agreementTimes.askMs });
      effects.push({ type: "ask", fellow, file, hash });
    } else wanted = changed(wanted, file, { ...wanted.get(file), ...winner } as Wanted);
  }
  return [{ ...state, wanted, ignored, recorded, reported }, effects];
}

function ignore(state: AgreementState, file: string, ignored: Ignored, reason: string): Step {
  const { hash } = ignored;
  const next = {
    ...state,
    wanted: changed(state.wanted, file, undefined),
    ignored: changed(state.ignored, file, ignored),
    reported: changed(state.reported, file, hash),
  };
  return [next, state.reported.get(file) === hash ? [] : [{ type: "report", file, hash, reason }]];
}

/** The map with that value, or without the key. */
function changed<Value>(
  map: ReadonlyMap<string, Value>,
  key: string,
  value: Value | undefined,
): ReadonlyMap<string, Value> {
  if (map.get(key) === value) return map;
  const next = new Map(map);
  if (value === undefined) next.delete(key);
  else next.set(key, value);
  return next;
}
