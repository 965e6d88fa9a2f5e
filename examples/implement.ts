// Offers the function "blink", until it is interrupted.
// node examples/implement.ts [mqtt://127.0.0.1:1883]
import { connect } from "fogbank/client";

const client = await connect(process.argv[2] ?? "mqtt://127.0.0.1:1883");
client.onConnection((event) => console.log(event.state));

const schema = {
  type: "object",
  properties: { times: { type: "integer", minimum: 1, maximum: 10 } },
  required: ["times"],
};
await client.implement(
  "blink",
  async (args, { origin, signal }) => {
    const { times } = args as { times: number };
    for (let count = 0; count < times && !signal.aborted; count++) console.log(`blink, says ${origin}`);
    return { blinked: times };
  },
  { schema },
);
console.log("ready");
