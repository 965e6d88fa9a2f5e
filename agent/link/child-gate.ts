// Keeps a second node of one name out while the first is connected: before its connection takes over, since two that push each
// other out would never stop. One that was only started anew looks the same while its old connection is half-open: it waits until that
// one has been silent for long enough. When the first goes on talking meanwhile, there are two.
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import { nodeOfClientId } from "#shared/topics.ts";
import type { TreeView } from "./tree-view.ts";

const namesRemembered = 1_000;

/** What a node gives as MQTT user name: who it is, and which life of its database. */
export function usernameOf({ uuid, epoch }: { readonly uuid: string; readonly epoch: number }): string {
  return `${uuid}:${epoch}`;
}

/** Whether a client may connect with that id. `isProven`: it may speak for the node of that id. */
export type ChildGate = (clientId: string, username: string | undefined, isProven: boolean) => true | ChildRefused;

export interface ChildRefused {
  readonly refused: "not-authorized" | "busy";
  readonly reason: string;
}

export interface ChildGateDeps {
  readonly tree: Pick<TreeView, "child" | "setAlarm">;
  readonly clock: Pick<Clock, "monotonic">;
  readonly log: Logger;
}

export function createChildGate({ tree, clock, log }: ChildGateDeps): ChildGate {
  /** By name and user name, when such a newcomer was sent away first. */
  const waitingSinceMs = new Map<string, number>();
  const logged = new Set<string>();
  return (clientId, username, isProven) => {
    const name = nodeOfClientId(clientId);
    const child = tree.child(name);
    const stranger = `${name} ${username ?? ""}`;
    if (child?.state !== "online") {
      waitingSinceMs.delete(stranger);
      return true;
    }
    const [uuid, epoch] = (username ?? "").split(":");
    if (isProven && uuid === child.uuid) {
      if (epoch === undefined || child.epoch === undefined || Number(epoch) === child.epoch) return true;
      const nowMs = clock.monotonic();
      const sinceMs = waitingSinceMs.get(stranger) ?? nowMs;
      if (waitingSinceMs.size < namesRemembered) waitingSinceMs.set(stranger, sinceMs);
      // It was heard after it must have been noticed as gone, had the newcomer been the same node started anew.
      if (child.heardMonotonicMs - sinceMs < limits.linkSilenceMs) {
        return {
          refused: "busy",
          reason: `the node "${name}" has been connected until now: wait until that one is silent`,
        };
      }
    }
    const reason = `the node "${name}" is connected already, and this is another one`;
    tree.setAlarm(
      name,
      `another node of this name is kept out (${username ?? "without a user name"}): give it a name of its own`,
    );
    if (!logged.has(stranger) && logged.size < namesRemembered) {
      logged.add(stranger);
      log.error(
        { child: name, uuid: child.uuid, refused: username },
        "a second node of one name was kept out: give it a name of its own",
      );
    }
    return { refused: "not-authorized", reason };
  };
}
