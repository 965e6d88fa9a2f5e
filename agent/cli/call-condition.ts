// Which nodes a command names, as one condition. Its faults are told here, where nothing has been sent yet.
import { parseCondition } from "#shared/condition/condition.ts";
import { parseNodeName } from "#shared/ids.ts";
import { CommandFailure } from "./action.ts";

export interface Nodes {
  readonly on?: string;
  readonly if?: string;
}

/** Empty: every node. Throws FOGBANK_NAME_INVALID, and with `on` FOGBANK_CALL_REFUSED: otherwise the node tells what is wrong. */
export function conditionOf({ on, if: condition = "" }: Nodes): string {
  if (on === undefined) return condition;
  const isNode = `name == '${parseNodeName(on)}'`;
  // By itself first: within the parentheses the positions of its faults, and their meaning, would be others.
  // A line of its own: it may end with a comment.
  return isEmptyCondition(condition) ? isNode : `${isNode} && (${condition}\n)`;
}

/** Whether it says nothing. Throws FOGBANK_CALL_REFUSED when it cannot be used. */
export function isEmptyCondition(condition: string): boolean {
  const parsed = parseCondition(condition);
  if ("ok" in parsed) return parsed.ok.tree === undefined;
  const { message, position } = parsed.error;
  throw new CommandFailure(
    "FOGBANK_CALL_REFUSED",
    `the condition cannot be used: line ${position.line}, column ${position.column}: ${message}`,
  );
}
