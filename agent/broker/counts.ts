// Plain counters of a broker since its start.

export class BrokerCounts {
  connectionsRefused = 0;
  publishesIn = 0;
  publishesOut = 0;
  publishesTaken = 0;
  publishesRefused = 0;
  bytesIn = 0;
  bytesOut = 0;
  /** QoS 0 for a client that does not read fast enough. */
  droppedSlow = 0;
  /** The oldest of a session's full queue. */
  droppedQueueFull = 0;
  /** Larger than the client takes. */
  droppedTooLarge = 0;
  droppedExpired = 0;
  /** Retained messages that there was no room for. */
  droppedRetained = 0;
  /** Connections closed because they did not read. */
  slowClosed = 0;
  protocolErrors = 0;
}
