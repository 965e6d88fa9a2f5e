import { createServer } from "node:net";
import { once } from "node:events";
import { expect, test } from "vitest";
import { findPortHolder, listeningIn } from "#agent/doctor/port-holder.ts";

const head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const line = (local: string, state: string, uid: number, inode: number): string =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  ${uid}        0 ${inode} 1 0000 100 0 0 10 0`;

test("the socket that listens at an address, or at all of them, is found", () => {
  const tables = [head, line("0100007F:075B", "01", 1, 10), line("0100007F:075B", "0A", 2, 11)].join("\n");
  expect(listeningIn(tables, "127.0.0.1", 1883)).toEqual({ inode: "11", uid: 2 });
  expect(listeningIn(tables, "localhost", 1883)).toEqual({ inode: "11", uid: 2 });
  expect(listeningIn(tables, "0.0.0.0", 1883)).toEqual({ inode: "11", uid: 2 });
  expect(listeningIn(tables, "10.0.0.1", 1883)).toBeUndefined();
  expect(listeningIn(tables, "127.0.0.1", 1884)).toBeUndefined();
  const any = line(`${"0".repeat(32)}:075B`, "0A", 3, 12);
  expect(listeningIn(any, "10.0.0.1", 1883)).toEqual({ inode: "12", uid: 3 });
  expect(listeningIn(`${tables}\n${any}`, "127.0.0.1", 1883)).toEqual({ inode: "11", uid: 2 });
});

test("this process is found as the one that listens", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  expect(findPortHolder("127.0.0.1", port)).toMatchObject({ pid: process.pid });
  server.close();
});
