// The `mqtt` package, made fit for a small machine.
import { writeToStream } from "mqtt-packet";

// Its encoder would keep a buffer for every number of 16 bits, from the first packet on: 16 MB.
writeToStream.cacheNumbers = false;

export { connect } from "mqtt";
