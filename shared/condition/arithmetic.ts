// `+ - * / %` and the unary minus. An int beside a double becomes a double; two ints stay ints, and fail beyond 64 bits.
import { limits } from "../limits.ts";
import type { StepBudget } from "./step-budget.ts";
import { double, failure, int, isNumber, string, type Known, type Value } from "./value.ts";

export type ArithmeticOperator = "+" | "-" | "*" | "/" | "%";

/** `a operator b`. `+` joins strings and lists too. */
export function calculate(operator: ArithmeticOperator, a: Known, b: Known, steps: StepBudget): Value {
  if (a.type === "int" && b.type === "int") return calculateInts(operator, a.value, b.value);
  if (isNumber(a) && isNumber(b)) return calculateDoubles(operator, Number(a.value), Number(b.value));
  if (operator === "+" && a.type === "string" && b.type === "string") return join(a.value, b.value);
  if (operator === "+" && a.type === "list" && b.type === "list") {
    if (!steps.take(a.items.length + b.items.length)) return failure("the lists are too long");
    return { type: "list", items: [...a.items, ...b.items] };
  }
  return failure(`there is no ${a.type} ${operator} ${b.type}`);
}

/** `-value` */
export function negate(value: Known): Value {
  if (value.type === "int") return int(-value.value);
  return value.type === "double" ? double(-value.value) : failure(`there is no -${value.type}`);
}

function calculateInts(operator: ArithmeticOperator, a: bigint, b: bigint): Value {
  if ((operator === "/" || operator === "%") && b === 0n) return failure("division by zero");
  switch (operator) {
    case "+":
      return int(a + b);
    case "-":
      return int(a - b);
    case "*":
      return int(a * b);
    case "/":
      return int(a / b);
    case "%":
      return int(a % b);
  }
}

function calculateDoubles(operator: ArithmeticOperator, a: number, b: number): Value {
  switch (operator) {
    case "+":
      return double(a + b);
    case "-":
      return double(a - b);
    case "*":
      return double(a * b);
    case "/":
      return double(a / b);
    case "%":
      return failure("% needs two integers");
  }
}

function join(a: string, b: string): Value {
  if (a.length + b.length <= limits.conditionBytes) return string(a + b);
  return failure(`a joined string has at most ${limits.conditionBytes} characters`);
}
