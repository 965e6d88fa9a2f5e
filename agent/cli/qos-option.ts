// `-q`: the quality of service of a publish or a subscription.
import { InvalidArgumentError, Option } from "commander";
import type { Qos } from "#shared/system/bus.ts";

export function qosOption(): Option {
  return new Option("-q, --qos <qos>", "quality of service: 0, 1 or 2").default(1).argParser(parseQos);
}

function parseQos(text: string): Qos {
  if (text === "0") return 0;
  if (text === "1") return 1;
  if (text === "2") return 2;
  throw new InvalidArgumentError("Expected 0, 1 or 2.");
}
