// What one value of a device may be, as a class says it, and whether a text or a value is that.

/** Whole numbers; numbers in decimal digits; numbers that may have an exponent; yes or no; text. */
export type ValueKind = "integer" | "decimal" | "float" | "boolean" | "string";

export interface ValueLimit {
  readonly value: number;
  /** Whether the limit itself is out of the range. */
  readonly isOut: boolean;
}

export interface ValueRule {
  readonly kind: ValueKind;
  /** Of numbers. */
  readonly least?: ValueLimit;
  readonly most?: ValueLimit;
  /** Texts, one of which it must be; for numbers, one of their values. */
  readonly choices?: readonly string[];
  /** Characters of a text (code points). */
  readonly lengthMin?: number;
  readonly lengthMax?: number;
  /** Whether blanks around a text, and all but one between its words, do not count. */
  readonly isCollapsed?: boolean;
}

export type Scalar = string | number | boolean;

/** The value in the type of its rule, or why it is none. */
export type CheckedScalar = { readonly value: Scalar } | { readonly reason: string };

const lexical: Readonly<Record<"integer" | "decimal" | "float", RegExp>> = {
  integer: /^[-+]?[0-9]+$/,
  decimal: /^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$/,
  float: /^[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$/,
};

/** A text counts as what it says in the type of the rule; a number or boolean for a text rule counts as its text. */
export function checkScalar(rule: ValueRule, given: Scalar): CheckedScalar {
  switch (rule.kind) {
    case "integer":
    case "decimal":
    case "float":
      return checkNumber(rule, rule.kind, given);
    case "boolean":
      return checkBoolean(rule, given);
    case "string":
      return checkText(rule, String(given));
  }
}

/** In words, for reasons: `an integer from 0 to 255`. */
function describeRule(rule: ValueRule): string {
  const { kind, least, most, choices, lengthMin, lengthMax } = rule;
  if (choices !== undefined) return `one of ${choices.slice(0, 10).join(", ")}${choices.length > 10 ? ", …" : ""}`;
  const parts = [kindWords[kind]];
  if (least !== undefined) parts.push(`${least.isOut ? "above" : "from"} ${least.value}`);
  if (most !== undefined) parts.push(`${most.isOut ? "below" : least === undefined ? "up to" : "to"} ${most.value}`);
  if (lengthMin !== undefined && lengthMin > 0) parts.push(`of at least ${lengthMin} characters`);
  if (lengthMax !== undefined) parts.push(`of at most ${lengthMax} characters`);
  return parts.join(" ");
}

const kindWords: Readonly<Record<ValueKind, string>> = {
  integer: "an integer",
  decimal: "a number in decimal digits",
  float: "a number",
  boolean: "true, false, 1 or 0",
  string: "a text",
};

function checkNumber(rule: ValueRule, kind: "integer" | "decimal" | "float", given: Scalar): CheckedScalar {
  const text = typeof given === "string" ? trimmed(given) : given;
  const isNumber =
    typeof text === "number" ? Number.isFinite(text) : typeof text === "string" && lexical[kind].test(text);
  const value = Number(text) + 0; // no -0
  if (!isNumber || !Number.isFinite(value)) return unfit(rule, given);
  if (kind === "integer" && !Number.isSafeInteger(value))
    return Number.isInteger(value)
      ? { reason: `${value} is beyond 2^53 and cannot be kept exactly` }
      : unfit(rule, given);
  const { least, most, choices } = rule;
  const isLow = least !== undefined && (least.isOut ? value <= least.value : value < least.value);
  const isHigh = most !== undefined && (most.isOut ? value >= most.value : value > most.value);
  const isChosen = choices === undefined || choices.some((choice) => Number(choice) === value);
  return isLow || isHigh || !isChosen ? unfit(rule, given) : { value };
}

function checkBoolean(rule: ValueRule, given: Scalar): CheckedScalar {
  const text = trimmed(String(given));
  if (text === "true" || text === "1") return { value: true };
  return text === "false" || text === "0" ? { value: false } : unfit(rule, given);
}

function checkText(rule: ValueRule, given: string): CheckedScalar {
  const value = rule.isCollapsed === true ? trimmed(given).replace(/[ \t\r\n]+/g, " ") : given;
  const { lengthMin = 0, lengthMax = Infinity, choices } = rule;
  const isChosen = choices === undefined || choices.includes(value);
  // A text is never shorter in code units than in characters.
  if (!isChosen || value.length < lengthMin) return unfit(rule, given);
  if (value.length > lengthMax * 2) return unfit(rule, given);
  const length = Array.from(value).length;
  return length < lengthMin || length > lengthMax ? unfit(rule, given) : { value };
}

function unfit(rule: ValueRule, given: Scalar): CheckedScalar {
  return { reason: `expected ${describeRule(rule)}, found ${brief(given)}` };
}

function brief(given: Scalar): string {
  if (typeof given !== "string") return String(given);
  return given.length > 60 ? `"${given.slice(0, 60)}…"` : `"${given}"`;
}

/** Without the blanks of XML around it; those of other scripts are no blanks there. */
function trimmed(text: string): string {
  return text.replace(/^[ \t\r\n]+/, "").replace(/(?<![ \t\r\n])[ \t\r\n]+$/, "");
}
