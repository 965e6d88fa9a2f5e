// CONNECT to CONNACK: protocol, identifier, admission, session; and the end of a connection with its will.
import { encodeConnack, readConnect, UnsupportedProtocol, type ConnectPacket } from "#shared/mqtt/connect-packet.ts";
import { acknowledgement, readDisconnect } from "#shared/mqtt/acknowledgement-packet.ts";
import { malformed, protocolError } from "#shared/mqtt/packet-reader.ts";
import { packetIdOf } from "#shared/mqtt/outgoing-window.ts";
import type { Properties } from "#shared/mqtt/properties.ts";
import { MqttProtocolError } from "#shared/mqtt/protocol-error.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";
import { isTopicName } from "#shared/mqtt/topic.ts";
import { TopicAliases } from "#shared/mqtt/topic-aliases.ts";
import { limits } from "#shared/limits.ts";
import type { Clock } from "#shared/system/clock.ts";
import type { Logger } from "#shared/system/logger.ts";
import type { Random } from "#shared/system/random.ts";
import type { Admission, AdmissionRefused, Authorizer, ClientEvent, ClientInfo } from "./broker.ts";
import { ConnectGate } from "./connect-gate.ts";
import type { Connection } from "./connection.ts";
import { KeptWills } from "./kept-wills.ts";
import type { BrokerCounts } from "./counts.ts";
import type { Delivery } from "./delivery.ts";
import type { Publishing } from "./publishing.ts";
import { neverExpires, type Session } from "./session.ts";
import type { Sessions } from "./sessions.ts";

export interface ConnectingDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  readonly authorizer: Authorizer;
  readonly sessions: Sessions;
  readonly delivery: Delivery;
  readonly publishing: Publishing;
  readonly counts: BrokerCounts;
  /** Whether one connection more is too many. */
  isFull(): boolean;
  isStopping(): boolean;
  tell(event: ClientEvent): void;
}

export class Connecting {
  readonly #deps: ConnectingDeps;
  readonly #gate: ConnectGate<Connection>;
  readonly #wills = new KeptWills();

  constructor(deps: ConnectingDeps) {
    this.#deps = deps;
    this.#gate = new ConnectGate(deps.clock.monotonic());
  }

  /** The first packet. Its connection reads on when the client has been admitted. */
  receive(connection: Connection, bytes: Uint8Array, at: number, end: number): void {
    const packet = this.#read(connection, bytes, at, end);
    if (packet === undefined) return;
    connection.level = packet.level;
    connection.isLevel5 = packet.level === 5;
    connection.packetBytesMax = packet.properties.maximumPacketSize ?? Number.POSITIVE_INFINITY;
    const { clientId, error } = this.#identify(packet);
    if (error !== undefined) {
      this.#refuse(connection, error);
      return;
    }
    const { remoteAddress } = connection.origin;
    connection.info = {
      clientId,
      ...(packet.username !== undefined && { username: packet.username }),
      ...(remoteAddress !== undefined && { remoteAddress }),
      origin: connection.origin,
    };
    connection.state = "admitting";
    connection.pause();
    this.#gate.enter(this.#deps.clock.monotonic(), connection, () => this.#admit(connection, packet));
  }

  /** Lets in those whose turn has come. */
  sweepGate(): void {
    this.#gate.release(this.#deps.clock.monotonic());
  }

  #admit(connection: Connection, packet: ConnectPacket): void {
    if (connection.state === "closed") return;
    const { clientId } = connection.info;
    const admission = this.#deps.authorizer.connect(connection.info, packet.password);
    if (!(admission instanceof Promise)) {
      this.#admitted(connection, packet, admission);
      return;
    }
    admission.then(
      (answer) => this.#admitted(connection, packet, answer),
      (problem: unknown) => {
        this.#deps.log.error({ clientId, error: String(problem) }, "a client could not be checked");
        this.#refuse(connection, new MqttProtocolError(reason.unspecified, "the client could not be checked"));
      },
    );
  }

  /** DISCONNECT: a clean goodbye, unless it asks for the will. */
  goodbye(connection: Connection, bytes: Uint8Array, at: number, end: number): void {
    const { reasonCode, properties } = readDisconnect(bytes, at, end, connection.level);
    const { session } = connection;
    if (properties.sessionExpiry !== undefined && session !== undefined) {
      if (session.expirySeconds === 0 && properties.sessionExpiry > 0)
        throw protocolError("a session without expiry cannot get one at its end"); // [MQTT-3.14.2-2]
      session.expirySeconds = properties.sessionExpiry;
    }
    if (reasonCode === reason.success) connection.will = undefined;
    connection.finish();
  }

  /** The connection is gone: its session waits or ends, its will is published or delayed. */
  detach(connection: Connection): void {
    const { session, will, info } = connection;
    this.#gate.leave(connection);
    this.#wills.release(connection);
    if (session === undefined || session.connection !== connection) return;
    const { clock, sessions, delivery, publishing } = this.#deps;
    session.connection = undefined;
    session.window.detach();
    if (session.isDurable) delivery.rewind(session); // it is read again when the client returns
    session.backfills.length = 0;
    session.disconnectedAtMs = clock.now();
    if (connection.connectedSinceMs > 0) this.#deps.tell({ type: "disconnected", clientId: info.clientId });
    if (will !== undefined && !this.#deps.isStopping()) {
      const delaySeconds = Math.min(will.delaySeconds, session.expirySeconds);
      if (delaySeconds === 0) publishing.will(will, info, session);
      else {
        this.#wills.keep(session, will);
        session.delayedWill = { will, info, dueMs: clock.monotonic() + delaySeconds * 1000 };
      }
    }
    if (session.expirySeconds === 0) sessions.end(session);
    else {
      sessions.put(session);
      delivery.batch.moved(session);
    }
  }

  /** Publishes wills whose time has come. */
  sweepWills(): void {
    const nowMs = this.#deps.clock.monotonic();
    for (const session of this.#deps.sessions.all()) {
      if (session.delayedWill !== undefined && session.delayedWill.dueMs <= nowMs) this.releaseWill(session);
    }
  }

  /** The delayed will is due: its time has come, or its session has ended. */
  releaseWill(session: Session): void {
    const { delayedWill } = session;
    this.#dropWill(session);
    if (delayedWill !== undefined && !this.#deps.isStopping())
      this.#deps.publishing.will(delayedWill.will, delayedWill.info, session);
  }

  #dropWill(session: Session): void {
    session.delayedWill = undefined;
    this.#wills.release(session);
  }

  #read(connection: Connection, bytes: Uint8Array, at: number, end: number): ConnectPacket | undefined {
    try {
      return readConnect(bytes, at, end);
    } catch (error) {
      if (!(error instanceof MqttProtocolError)) throw error;
      if (error instanceof UnsupportedProtocol) {
        connection.level = error.level > 5 ? 5 : 4;
        connection.isLevel5 = error.level > 5;
        this.#refuse(connection, error);
      } else if (isConnectOfLevel5(bytes, at, end)) {
        connection.level = 5;
        connection.isLevel5 = true;
        this.#refuse(connection, error);
      } else throw error;
      return undefined;
    }
  }

  #identify({ clientId, username, level, cleanStart, will, properties }: ConnectPacket): {
    readonly clientId: string;
    readonly error?: MqttProtocolError;
  } {
    const refused = (code: number, text: string) => ({ clientId, error: new MqttProtocolError(code, text) });
    if (properties.authenticationMethod !== undefined)
      return refused(reason.badAuthenticationMethod, "enhanced authentication is not offered");
    if (clientId.length > limits.clientIdChars)
      return refused(reason.clientIdNotValid, `a client identifier has at most ${limits.clientIdChars} characters`);
    if (will !== undefined && !isTopicName(will.topic)) {
      if (level !== 5) throw malformed("the topic of the will is not a topic name"); // no return code says it
      return refused(reason.topicNameInvalid, "the topic of the will is not a topic name");
    }
    if (username !== undefined && username.length > limits.clientIdChars)
      return refused(reason.badCredentials, `a user name has at most ${limits.clientIdChars} characters`);
    if (will !== undefined && !this.#wills.hasRoomFor(will))
      return refused(reason.quotaExceeded, "the wills of all clients take too much room: try again without one");
    if (clientId !== "") return { clientId };
    if (level === 3 || (level === 4 && !cleanStart))
      return refused(reason.clientIdNotValid, "a session that is kept needs a client identifier"); // [MQTT-3.1.3-8]
    return { clientId: `auto-${this.#deps.random.uuid()}` };
  }

  #refuse(connection: Connection, { reasonCode, message }: MqttProtocolError): void {
    if (connection.state === "closed") return;
    this.#deps.counts.connectionsRefused++;
    this.#deps.log.debug({ clientId: connection.info.clientId, reason: message }, "connection refused");
    connection.sendProblem(connection.isLevel5 ? message : undefined, (properties) =>
      encodeConnack(connection.level, false, reasonCode, properties),
    );
    connection.finish();
  }

  #admitted(connection: Connection, packet: ConnectPacket, admission: Admission): void {
    if (connection.state === "closed") return;
    const { sessions, authorizer } = this.#deps;
    const { info } = connection;
    const known = sessions.get(info.clientId);
    const isKnown = known?.connection !== undefined;
    if (admission !== true) this.#refuse(connection, refusalOf(admission));
    else if (known !== undefined && !mayTake(known, authorizer.userOf(info)))
      this.#refuse(connection, new MqttProtocolError(reason.notAuthorized, "the session belongs to another user"));
    else if (this.#deps.isFull() && !isKnown)
      this.#refuse(connection, new MqttProtocolError(reason.serverBusy, "there are too many connections"));
    else {
      connection.role = authorizer.roleOf(info);
      this.#attach(connection, packet, info);
    }
  }

  /** Takes the session up, or begins one. CONNACK tells of it when that is stored. */
  #attach(connection: Connection, packet: ConnectPacket, info: ClientInfo): void {
    const { sessions, delivery, authorizer } = this.#deps;
    const { clientId } = info;
    const owner = authorizer.userOf(info);
    sessions.get(clientId)?.connection?.end(reason.sessionTakenOver, "another connection has taken the session over");
    const expirySeconds = expiryOf(packet);
    let known = sessions.get(clientId);
    const hadStored = known?.isDurable === true;
    if (known !== undefined && packet.cleanStart) {
      sessions.end(known);
      known = undefined;
    }
    const session = known ?? sessions.begin(clientId, expirySeconds, owner);
    if (session === undefined) {
      this.#refuse(connection, new MqttProtocolError(reason.quotaExceeded, "there are too many sessions already"));
      return;
    }
    session.owner = owner;
    if (known !== undefined) sessions.recheck(session, info, authorizer);
    session.expirySeconds = expirySeconds;
    this.#dropWill(session); // [MQTT-3.1.3-9]
    session.disconnectedAtMs = 0;
    session.connection = connection;
    delivery.rewind(session);
    connection.session = session;
    this.#configure(connection, packet);
    if (!session.isDurable && !hadStored) {
      this.#finish(connection, session, packet, known !== undefined);
      return;
    }
    sessions.put(session);
    delivery.batch.wait({
      stored: (error) => {
        if (connection.state === "closed") return;
        if (error === null) this.#finish(connection, session, packet, known !== undefined);
        else this.#refuse(connection, new MqttProtocolError(reason.serverUnavailable, error.message));
      },
    });
  }

  #configure(connection: Connection, { keepAlive, properties }: ConnectPacket): void {
    const { receiveMaximum = 65_535, topicAliasMaximum = 0 } = properties;
    connection.receiveMaximum = Math.min(receiveMaximum, limits.inflightMessages);
    connection.wantsProblemInformation = properties.requestProblemInformation !== 0;
    if (topicAliasMaximum > 0) connection.aliases = new TopicAliases(Math.min(topicAliasMaximum, limits.topicAliases));
    const seconds = serverKeepAlive(connection, keepAlive) ?? keepAlive;
    connection.keepAliveMs = seconds * 1000;
  }

  #finish(connection: Connection, session: Session, packet: ConnectPacket, isPresent: boolean): void {
    const { clock, delivery } = this.#deps;
    const properties = packet.level === 5 ? connackProperties(connection, packet, session) : {};
    const connack = encodeConnack(packet.level, isPresent, reason.success, properties);
    if (connack.length > connection.packetBytesMax) {
      connection.finish(); // not even that may be said [MQTT-3.1.2-24]
      return;
    }
    connection.open();
    connection.will = packet.will; // of an accepted connection only [MQTT-3.1.2-8]
    if (packet.will !== undefined) this.#wills.keep(connection, packet.will);
    connection.connectedSinceMs = clock.now();
    const { clientId } = connection.info;
    connection.send(connack);
    if (packet.level === 5 && session.lost > 0) this.#told(session);
    this.#deps.tell({ type: "connected", clientId });
    for (const number of session.window.progress().released)
      connection.acknowledge(acknowledgement.pubrel, packetIdOf(number)); // [MQTT-4.4.0-1]
    connection.resume();
    delivery.pump(session);
  }

  /** The client knows what it has lost. */
  #told(session: Session): void {
    session.lost = 0;
    this.#deps.sessions.put(session);
  }
}

/** Queued messages of one user are not for another; an anonymous session may be claimed. */
function mayTake({ owner }: Session, user: string): boolean {
  return owner === "" || owner === user;
}

function isConnectOfLevel5(bytes: Uint8Array, at: number, end: number): boolean {
  return end > at + 6 && bytes[at + 1] === 4 && bytes[at + 2] === 0x4d && bytes[at + 6] === 5;
}

function refusalOf({ refused, reason: text }: AdmissionRefused): MqttProtocolError {
  const codes = {
    credentials: reason.badCredentials,
    "not-authorized": reason.notAuthorized,
    busy: reason.serverBusy,
  } as const;
  return new MqttProtocolError(codes[refused], text);
}

/** Before MQTT 5 a session that is not clean never expires. */
function expiryOf({ level, cleanStart, properties }: ConnectPacket): number {
  if (level === 5) return properties.sessionExpiry ?? 0;
  return cleanStart ? 0 : neverExpires;
}

/** What the server asks for instead; MQTT 5 only: an older client could not be told. */
function serverKeepAlive({ isLevel5 }: Connection, asked: number): number | undefined {
  return isLevel5 && (asked === 0 || asked > limits.keepaliveSecondsMax) ? limits.keepaliveSecondsMax : undefined;
}

function connackProperties(
  connection: Connection,
  { clientId, keepAlive }: ConnectPacket,
  session: Session,
): Properties {
  const properties: Properties = {
    receiveMaximum: limits.heldPublishes,
    maximumPacketSize: limits.packetBytes,
    topicAliasMaximum: limits.topicAliases,
  };
  const seconds = serverKeepAlive(connection, keepAlive);
  if (seconds !== undefined) properties.serverKeepAlive = seconds;
  if (clientId === "") properties.assignedClientId = connection.info.clientId;
  if (session.lost > 0) properties.userProperties = [["fogbank-lost-messages", String(session.lost)]];
  return properties;
}
