// Publishes a reading; it is durable at the node when `publish` resolves.
// node examples/publish.ts [mqtt://127.0.0.1:1883]
import { connect, FogbankClientError } from "fogbank/client";

await using client = await connect(process.argv[2] ?? "mqtt://127.0.0.1:1883");
try {
  await client.publish("/data/boiler/temperature", { celsius: 71.5 });
  console.log("stored");
} catch (error) {
  if (!(error instanceof FogbankClientError)) throw error;
  console.error(`${error.code}: ${error.message}`);
}
