// The process behind aedes.ts: aedes with its defaults on the loopback port that is its argument.
import { createServer } from "node:net";
import { Aedes } from "aedes";

const broker = await Aedes.createBroker();
createServer({ noDelay: true }, broker.handle).listen(Number(process.argv[2]), "127.0.0.1", () => {
  process.stdout.write("READY\n");
});
