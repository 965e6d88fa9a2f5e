// PUBLISH as bytes: each form of a message is encoded once, then copied to every subscriber with its own first byte and packet
// identifier. Forms differ in protocol (properties or none) and in whether there is an identifier.
import { variableIntegerBytes } from "#shared/mqtt/packet-writer.ts";
import { propertyId } from "#shared/mqtt/properties.ts";
import type { Qos } from "#shared/system/bus.ts";
import type { Outlet } from "./outlet.ts";
import type { Publication } from "./publication.ts";

const scratchBytes = 64 * 1024;
const scratchBytesKept = 512 * 1024;
const forms = 4;

/** What only one subscriber gets. */
export interface OwnProperties {
  readonly subscriptionIds: readonly number[];
  /** 0: none. */
  readonly topicAlias: number;
  /** The alias stands for the topic: it is left out. */
  readonly omitTopic: boolean;
}

const nothingOwn: OwnProperties = { subscriptionIds: [], topicAlias: 0, omitTopic: false };

export class PublishEncoder {
  #scratch = Buffer.allocUnsafeSlow(scratchBytes);
  #publication: Publication | undefined;
  #used = 0;
  readonly #starts = new Int32Array(forms);
  readonly #lengths = new Int32Array(forms);
  readonly #idPlaces = new Int32Array(forms);
  #nowMs = 0;

  /** Another message follows. */
  begin(publication: Publication, nowMs: number): void {
    this.#publication = publication;
    this.#nowMs = nowMs;
    this.#used = 0;
    this.#lengths.fill(0);
    if (this.#scratch.length > scratchBytesKept) this.#scratch = Buffer.allocUnsafeSlow(scratchBytes);
  }

  /** Bytes of the packet as that subscriber would get it. */
  sizeFor(isLevel5: boolean, qos: Qos, own: OwnProperties = nothingOwn): number {
    if (own !== nothingOwn) return packetBytes(this.#bodyBytes(isLevel5, qos, own));
    return this.#lengths[this.#form(isLevel5, qos)] ?? 0;
  }

  /** Puts the packet into `outlet`. */
  put(
    outlet: Outlet,
    isLevel5: boolean,
    qos: Qos,
    packetId: number,
    dup: boolean,
    retain: boolean,
    own: OwnProperties = nothingOwn,
  ): void {
    let start: number;
    let length: number;
    let idPlace: number;
    if (own === nothingOwn) {
      const form = this.#form(isLevel5, qos);
      start = this.#starts[form] ?? 0;
      length = this.#lengths[form] ?? 0;
      idPlace = this.#idPlaces[form] ?? 0;
    } else {
      start = this.#used;
      idPlace = this.#encode(isLevel5, qos, own) - start;
      length = this.#used - start;
      this.#used = start;
    }
    const at = outlet.reserve(length);
    const { chunk } = outlet;
    this.#scratch.copy(chunk, at, start, start + length);
    chunk[at] = 0x30 | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
    if (qos === 0) return;
    chunk[at + idPlace] = packetId >>> 8;
    chunk[at + idPlace + 1] = packetId & 0xff;
  }

  /** Encodes the form when nobody has needed it yet. */
  #form(isLevel5: boolean, qos: Qos): number {
    const form = (isLevel5 ? 2 : 0) | (qos > 0 ? 1 : 0);
    if (this.#lengths[form] === 0) {
      const start = this.#used;
      const idPlace = this.#encode(isLevel5, qos, nothingOwn);
      this.#starts[form] = start;
      this.#idPlaces[form] = idPlace - start;
      this.#lengths[form] = this.#used - start;
    }
    return form;
  }

  #bodyBytes(isLevel5: boolean, qos: Qos, own: OwnProperties): number {
    const publication = this.#current();
    const topicBytes = own.omitTopic ? 0 : publication.topicBytes.length;
    let bytes = 2 + topicBytes + (qos > 0 ? 2 : 0) + publication.payloadBytes;
    if (isLevel5) {
      const properties = propertiesBytes(publication, own);
      bytes += variableIntegerBytes(properties) + properties;
    }
    return bytes;
  }

  /** Appends the packet to the scratch; answers the place of its identifier. */
  #encode(isLevel5: boolean, qos: Qos, own: OwnProperties): number {
    const publication = this.#current();
    const body = this.#bodyBytes(isLevel5, qos, own);
    this.#reserve(packetBytes(body));
    const scratch = this.#scratch;
    let at = this.#variableInteger(this.#used + 1, body);
    const { topicBytes, source, from, to } = publication;
    const topicLength = own.omitTopic ? 0 : topicBytes.length;
    scratch[at] = topicLength >>> 8;
    scratch[at + 1] = topicLength & 0xff;
    at += 2;
    if (topicLength > 0) scratch.set(topicBytes, at);
    at += topicLength;
    const idPlace = at;
    if (qos > 0) at += 2;
    if (isLevel5) at = this.#properties(at, publication, own);
    at = copyInto(scratch, at, source, from, to);
    this.#used = at;
    return idPlace;
  }

  #properties(start: number, publication: Publication, own: OwnProperties): number {
    const { properties, expiresAtMs } = publication;
    let at = this.#variableInteger(start, propertiesBytes(publication, own));
    const scratch = this.#scratch;
    if (expiresAtMs > 0) {
      scratch[at] = propertyId.messageExpiry;
      scratch.writeUInt32BE(Math.max(0, Math.ceil((expiresAtMs - this.#nowMs) / 1000)), at + 1);
      at += 5;
    }
    if (own.topicAlias > 0) {
      scratch[at] = propertyId.topicAlias;
      scratch.writeUInt16BE(own.topicAlias, at + 1);
      at += 3;
    }
    for (const id of own.subscriptionIds) {
      scratch[at] = propertyId.subscriptionId;
      at = this.#variableInteger(at + 1, id);
    }
    if (properties.length > 0) scratch.set(properties, at);
    return at + properties.length;
  }

  #variableInteger(start: number, value: number): number {
    let at = start;
    let rest = value;
    while (rest > 127) {
      this.#scratch[at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#scratch[at++] = rest;
    return at;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#scratch.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#scratch.length * 2, this.#used + bytes));
    this.#scratch.copy(grown, 0, 0, this.#used);
    this.#scratch = grown;
  }

  #current(): Publication {
    if (this.#publication === undefined) throw new Error("assertion failed: a message has begun");
    return this.#publication;
  }
}

/** With first byte and remaining length. */
function packetBytes(body: number): number {
  return 1 + variableIntegerBytes(body) + body;
}

function propertiesBytes({ properties, expiresAtMs }: Publication, own: OwnProperties): number {
  let bytes = properties.length + (expiresAtMs > 0 ? 5 : 0) + (own.topicAlias > 0 ? 3 : 0);
  for (const id of own.subscriptionIds) bytes += 1 + variableIntegerBytes(id);
  return bytes;
}

/** A view costs more than it saves for the few bytes of a reading. */
const loopedBytesMax = 48;

function copyInto(target: Buffer, at: number, source: Uint8Array, from: number, to: number): number {
  const length = to - from;
  if (length <= loopedBytesMax) {
    for (let index = 0; index < length; index++) target[at + index] = source[from + index] ?? 0;
  } else {
    target.set(from === 0 && to === source.length ? source : source.subarray(from, to), at);
  }
  return at + length;
}
