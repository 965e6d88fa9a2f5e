// Who hears of which built-in event. An event must not cost more than what it tells: where each of ten thousand devices hears when each
// other one was cut off, a short outage of a fog makes a hundred million messages, and those make the next outage.
import type { NodeEvent } from "./node-news.ts";

export interface Audience {
  readonly scope: "subtree" | "machine";
  readonly condition: string;
}

const fogsAndClouds: Audience = { scope: "machine", condition: 'level != "device"' };
const devicesBelow: Audience = { scope: "subtree", condition: 'level == "device"' };

/**
 * The event is raised once for each audience; no node is in two. `level`: of the node that raises it. Devices hear what concerns
 * themselves or a node above them. That a device was cut off its parent has told already, as the loss of that node.
 */
export function audiencesOf(name: NodeEvent["name"], level: string): readonly Audience[] {
  switch (name) {
    case "node-joined":
    case "node-left":
    case "node-lost":
      return [fogsAndClouds];
    case "partitioned":
    case "healed":
      return level === "device" ? [devicesBelow] : [fogsAndClouds, devicesBelow];
    case "journal-full":
    case "journal-recovered":
      return [fogsAndClouds, devicesBelow];
    default:
      return name satisfies never;
  }
}
