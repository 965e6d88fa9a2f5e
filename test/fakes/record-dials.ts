// Loaded into a node before everything else: writes down every outgoing connection that it tries, TCP, TLS and pipes alike, one line each,
// into the file that the environment names.
import { appendFileSync } from "node:fs";
import { Socket } from "node:net";

const file = process.env["DIALS_FILE"];
if (file === undefined) throw new Error("DIALS_FILE is not set");

const prototype = Socket.prototype as { connect(...args: readonly unknown[]): unknown };
// oxlint-disable-next-line typescript/unbound-method -- called with its own socket below
const original = prototype.connect;
prototype.connect = function (this: Socket, ...args: readonly unknown[]): unknown {
  appendFileSync(file, `${JSON.stringify(addressOf(args[0]), null, 0)}\n`);
  return original.apply(this, [...args]);
};

/** `connect` is called with options, with options in a list, or with a port. */
function addressOf(first: unknown): unknown {
  const options: unknown = Array.isArray(first) ? first[0] : first;
  if (typeof options !== "object" || options === null) return options;
  const { port, path } = options as { readonly port?: unknown; readonly path?: unknown };
  return port ?? path;
}
