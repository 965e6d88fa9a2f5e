// MQTT 5 reason codes (section 2.4) by their names in the specification, and what MQTT 3.1.1 says instead.

export const reason = {
  success: 0x00,
  disconnectWithWill: 0x04,
  noSubscriptionExisted: 0x11,
  unspecified: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecific: 0x83,
  unsupportedProtocolVersion: 0x84,
  clientIdNotValid: 0x85,
  badCredentials: 0x86,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  serverBusy: 0x89,
  serverShuttingDown: 0x8b,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
} as const;

/** CONNACK return codes of MQTT 3.1.1, table 3.1. */
export const returnCode = {
  accepted: 0,
  unacceptableVersion: 1,
  identifierRejected: 2,
  serverUnavailable: 3,
  badCredentials: 4,
  notAuthorized: 5,
} as const;

/** SUBACK's one failure code in MQTT 3.1.1. */
export const subscriptionFailed = 0x80;

/** The return code of MQTT 3.1.1 for a CONNACK with that reason. */
export function returnCodeOf(reasonCode: number): number {
  switch (reasonCode) {
    case reason.success:
      return returnCode.accepted;
    case reason.unsupportedProtocolVersion:
      return returnCode.unacceptableVersion;
    case reason.clientIdNotValid:
      return returnCode.identifierRejected;
    case reason.badCredentials:
      return returnCode.badCredentials;
    case reason.notAuthorized:
      return returnCode.notAuthorized;
    default:
      return returnCode.serverUnavailable;
  }
}
