// Raises the event "door" and hears it, as every program in the machine that listens does.
// node examples/events.ts [mqtt://127.0.0.1:1883]
import { connect } from "fogbank/client";

await using client = await connect(process.argv[2] ?? "mqtt://127.0.0.1:1883");
const heard = Promise.withResolvers<void>();
await client.onEvent("external", "door", ({ args, origin, time }) => {
  console.log("door", args, "raised at", origin, time);
  heard.resolve();
});
await client.raise("external", "door", { open: true }, { ttl: 3600 });
await heard.promise;
