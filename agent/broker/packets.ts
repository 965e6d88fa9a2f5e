// Packets of a client, each to its handler; and the confirmations of what was sent to it.
import type { FogbankError } from "#shared/errors.ts";
import { acknowledgement, readAcknowledgement } from "#shared/mqtt/acknowledgement-packet.ts";
import { malformed, protocolError } from "#shared/mqtt/packet-reader.ts";
import { reason } from "#shared/mqtt/reason-codes.ts";
import { packetIdOf } from "#shared/mqtt/outgoing-window.ts";
import type { Connecting } from "./connecting.ts";
import type { Connection } from "./connection.ts";
import type { Delivery } from "./delivery.ts";
import type { Publishing } from "./publishing.ts";
import type { Session } from "./session.ts";
import type { Subscribing } from "./subscribing.ts";

const unknownId = "nothing is under way with that packet identifier";
const pingresp = Uint8Array.of(0xd0, 0);

export interface PacketHandlers {
  readonly connecting: Connecting;
  readonly publishing: Publishing;
  readonly subscribing: Subscribing;
  readonly delivery: Delivery;
}

export class Packets {
  readonly #handlers: PacketHandlers;

  constructor(handlers: PacketHandlers) {
    this.#handlers = handlers;
  }

  /** The packet lies in `bytes` from `at` to `end`. False: no more before the connection is resumed. Throws MqttProtocolError. */
  receive(connection: Connection, bytes: Uint8Array, firstByte: number, at: number, end: number): boolean {
    const { session } = connection;
    if (session === undefined || !connection.isOpen) {
      if (connection.state !== "new") return false;
      this.#handlers.connecting.receive(connection, bytes, at, end);
      return connection.isOpen;
    }
    const { publishing, subscribing, connecting } = this.#handlers;
    switch (firstByte >> 4) {
      case 3:
        publishing.receive(connection, session, bytes, firstByte, at, end);
        break;
      case 4:
      case 5:
      case 6:
      case 7:
        this.#acknowledgement(connection, session, bytes, firstByte, at, end);
        break;
      case 8:
        subscribing.subscribe(connection, session, bytes, at, end);
        break;
      case 10:
        subscribing.unsubscribe(connection, session, bytes, at, end);
        break;
      case 12:
        if (end !== at) throw malformed("PINGREQ has a body");
        connection.send(pingresp);
        break;
      case 14:
        connecting.goodbye(connection, bytes, at, end);
        break;
      case 1:
        throw protocolError("a second CONNECT"); // [MQTT-3.1.0-2]
      case 15:
        throw connection.isLevel5
          ? protocolError("AUTH without an authentication method")
          : malformed("packet type 15");
      default:
        throw malformed(`a client does not send packet type ${firstByte >> 4}`);
    }
    return true;
  }

  #acknowledgement(
    connection: Connection,
    session: Session,
    bytes: Uint8Array,
    firstByte: number,
    at: number,
    end: number,
  ): void {
    // The short form needs no object.
    if (end === at + 2 && firstByte === acknowledgement.puback) {
      const packetId = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
      if (packetId === 0) throw protocolError("the packet identifier is 0");
      this.#confirmed(connection, session, session.window.acknowledge(packetId));
      return;
    }
    const { packetId, reasonCode } = readAcknowledgement(bytes, at, end, connection.level);
    switch (firstByte) {
      case acknowledgement.puback:
        this.#confirmed(connection, session, session.window.acknowledge(packetId));
        break;
      case acknowledgement.pubrec:
        this.#received(connection, session, packetId, reasonCode);
        break;
      case acknowledgement.pubrel:
        this.#released(connection, session, packetId);
        break;
      default:
        this.#confirmed(connection, session, session.window.complete(packetId));
    }
  }

  /** The client is done with that number of its session; 0: there is none. */
  #confirmed(connection: Connection, session: Session, number: number): void {
    if (number === 0) return;
    if (session.sharedInFlight.size > 0) session.sharedInFlight.delete(packetIdOf(number));
    if (session.isDurable) this.#handlers.delivery.batch.moved(session);
    connection.needsPump = true;
  }

  #received(connection: Connection, session: Session, packetId: number, reasonCode: number): void {
    const { window } = session;
    if (reasonCode >= 0x80) {
      this.#confirmed(connection, session, window.refuse(packetId));
      return;
    }
    const number = window.receive(packetId);
    if (number === 0) {
      const isKnown = window.isReleased(packetId);
      const code = isKnown ? reason.success : reason.packetIdNotFound;
      connection.acknowledge(acknowledgement.pubrel, packetId, code, isKnown ? undefined : unknownId);
      return;
    }
    if (session.sharedInFlight.size > 0) session.sharedInFlight.delete(packetId);
    if (!session.isDurable) {
      connection.acknowledge(acknowledgement.pubrel, packetId);
      return;
    }
    // After a crash PUBLISH must not follow a PUBREL: that one would be a new message to the client.
    const { batch } = this.#handlers.delivery;
    batch.moved(session);
    batch.wait({
      stored: (error) => this.#answer(connection, acknowledgement.pubrel, packetId, error),
    });
  }

  /** Without its commit there is no answer: the client asks again on its next connection. */
  #answer(connection: Connection, firstByte: number, packetId: number, error: FogbankError | null): void {
    if (!connection.isOpen) return;
    if (error === null) connection.acknowledge(firstByte, packetId);
    else connection.end(reason.unspecified, `an acknowledgement could not be stored: ${error.message}`);
  }

  #released(connection: Connection, session: Session, packetId: number): void {
    const known = session.incoming.get(packetId);
    if (known === undefined) {
      connection.acknowledge(acknowledgement.pubcomp, packetId, reason.packetIdNotFound, unknownId);
      return;
    }
    if (known !== null) return; // before PUBREC: it comes again
    session.incoming.delete(packetId);
    if (!session.isDurable) {
      connection.acknowledge(acknowledgement.pubcomp, packetId);
      return;
    }
    const { batch } = this.#handlers.delivery;
    batch.change({ type: "received", session: session.storeId, packetId, isPresent: false });
    batch.wait({
      stored: (error) => this.#answer(connection, acknowledgement.pubcomp, packetId, error),
    });
  }
}
