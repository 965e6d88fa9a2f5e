// A process of its own before a mongod, since it has to outlive the command that starts both: `wire-shim.ts <port> <port of mongod>`.
// On loopback only.
import { connect, createServer } from "node:net";
import { WireVersionRaiser } from "./wire-version.ts";

const host = "127.0.0.1";
const [port = 0, target = 0] = process.argv.slice(2).map(Number);

createServer((client) => {
  const server = connect({ host, port: target });
  const raiser = new WireVersionRaiser();
  client.pipe(server);
  server.on("data", (bytes) => {
    if (client.write(raiser.push(bytes))) return;
    server.pause();
    client.once("drain", () => server.resume());
  });
  server.on("end", () => client.end());
  // The end of one side is the end of the other: a server that is killed must look killed.
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.on("error", () => other.destroy());
    one.on("close", () => other.destroy());
  }
}).listen({ host, port });
