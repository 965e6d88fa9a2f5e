// Which servers there are, as ZooKeeper's clients write it: host:port,host:port/chroot
import { FogbankError } from "#shared/errors.ts";
import { pathFault } from "../entry-path.ts";

export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

export interface ServerList {
  readonly servers: readonly ServerAddress[];
  /** A valid path that stands in front of all others, or empty. */
  readonly chroot: string;
}

const defaultPort = 2181;
const portMax = 65_535;

/** Throws FOGBANK_COORDINATION_INVALID. An IPv6 address stands in brackets; the port is 2181 where none is named. */
export function parseServerList(text: string): ServerList {
  const slash = text.indexOf("/");
  const chroot = slash === -1 ? "" : text.slice(slash);
  const fault = chroot === "" ? undefined : pathFault(chroot);
  if (fault !== undefined) throw invalid(text, fault);
  const addresses = (slash === -1 ? text : text.slice(0, slash)).split(",").map((part) => part.trim());
  const servers = addresses.map((address) => {
    const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(address) ?? [];
    const host = bracketed ?? plain;
    const number = port === undefined ? defaultPort : Number(port);
    if (host === undefined || number < 1 || number > portMax) throw invalid(text, `"${address}" is no server`);
    return { host, port: number };
  });
  return { servers, chroot: chroot === "/" ? "" : chroot };
}

function invalid(text: string, why: string): FogbankError {
  const message = `read the list of coordination servers "${text}": ${why}; write host:port,host:port/path`;
  return new FogbankError("FOGBANK_COORDINATION_INVALID", message);
}
