// Whether a node can listen where it is to, and who is there already.
import { type Finding, ok } from "./finding.ts";

export interface ListenerFacts {
  readonly setting: "listen.mqtt" | "listen.http";
  /** As configured. */
  readonly address: string;
  /** 0 for any free one, and of a Unix socket. */
  readonly port: number;
  /** How an attempt to listen there ended; else the error's code. */
  readonly outcome: "free" | "any" | "taken" | (string & {});
  readonly holder?: PortHolder | undefined;
  /** Ports below it need a right of their own. */
  readonly privilegedBelow: number;
  readonly isRoot: boolean;
  /** A node of this configuration was found. */
  readonly isNodeRunning: boolean;
}

/** Who listens on a port, as far as this user may see. */
export interface PortHolder {
  readonly pid?: number;
  readonly program?: string;
  readonly user?: string;
  /** It is the node of this configuration. */
  readonly isOwn: boolean;
}

export function judgeListener(facts: ListenerFacts): Finding {
  const { setting, address, port, outcome, holder, isNodeRunning } = facts;
  const check = "listen";
  const where = `${setting} ${address}`;
  switch (outcome) {
    case "any":
      return ok(check, `${where}: any free port`);
    case "free":
      return privileged(facts) ?? ok(check, `${where} is free`);
    case "taken":
      if (holder?.isOwn === true) return ok(check, `${where} is held by this node, which runs (pid ${holder.pid})`);
      if (holder?.pid === undefined && isNodeRunning) return ok(check, `${where} is in use, as this node runs`);
      return {
        check,
        level: "problem",
        what: `${where} is taken by ${describe(holder)}`,
        todo: `stop that program, or give ${setting} another port`,
      };
    case "EACCES":
      return {
        check,
        level: "problem",
        what: `${where}: this user may not listen there`,
        todo:
          port === 0
            ? "let it write in that folder"
            : `take a port from ${facts.privilegedBelow} up, or give the service AmbientCapabilities=CAP_NET_BIND_SERVICE`,
      };
    case "EADDRNOTAVAIL":
      return {
        check,
        level: "problem",
        what: `${where}: no interface of this machine has that address now`,
        todo: "take an address that `ip address` shows, or 0.0.0.0 for all; if the network comes later, start the node after it",
      };
    default:
      return {
        check,
        level: "problem",
        what: `${where}: cannot listen there (${outcome})`,
        todo: `correct ${setting}`,
      };
  }
}

/** Free for root is not yet free for the service. */
function privileged({ setting, address, port, privilegedBelow, isRoot }: ListenerFacts): Finding | undefined {
  if (!isRoot || port === 0 || port >= privilegedBelow) return undefined;
  return {
    check: "listen",
    level: "advice",
    what: `${setting} ${address} is free, for root: ports below ${privilegedBelow} need a right of their own`,
    todo: "if the service has another user, give it AmbientCapabilities=CAP_NET_BIND_SERVICE",
  };
}

function describe(holder: PortHolder | undefined): string {
  if (holder?.pid !== undefined) {
    return `${holder.program ?? "a program"} (pid ${holder.pid}${holder.user === undefined ? "" : `, ${holder.user}`})`;
  }
  return holder?.user === undefined ? "another program" : `a program of ${holder.user}`;
}
