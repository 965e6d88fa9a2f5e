// What is on its way to a client at QoS 1 and 2, and not confirmed yet. Pure.
//
// Every message has a number, 1, 2, 3 …; its packet identifier follows from the number. The window reaches from the oldest number
// that is not done with to the newest one sent; numbers that never go out (dropped, expired) are skipped.
//
//   cursor          next
//     |  d s s r d u  |     d done, s sent (PUBACK or PUBREC awaited), r released (PUBREL sent, PUBCOMP awaited),
//                           u unsure: sent on an earlier connection, to be sent again

const packetIds = 65_535;
const ringMin = 16;

const free = 0;
const sentQos1 = 1;
const sentQos2 = 2;
const released = 3;
const done = 4;
const unsure = 5;

/** Largest distance between the oldest unconfirmed number and the next one: a client that leaves one out cannot stretch the window. */
export const windowSpanMax = 4_096;

/** 1…65535. */
export function packetIdOf(number: number): number {
  return ((number - 1) % packetIds) + 1;
}

export class OutgoingWindow {
  #cursor: number;
  #next: number;
  #states: Uint8Array | undefined;
  #sizes: Uint32Array | undefined;
  #count = 0;
  #bytes = 0;

  /** Everything up to `cursor` is done with. */
  constructor(cursor = 0) {
    this.#cursor = cursor;
    this.#next = cursor + 1;
  }

  /** Everything up to here is done with. */
  get cursor(): number {
    return this.#cursor;
  }

  /** The number that is sent next. */
  get next(): number {
    return this.#next;
  }

  /** Messages sent and not confirmed. */
  get count(): number {
    return this.#count;
  }

  /** Whether another message may be sent: fewer than `messagesMax` and, but for one, than `bytesMax` are unconfirmed. */
  hasRoom(messagesMax: number, bytesMax: number): boolean {
    return this.#count < messagesMax && this.#bytes < bytesMax && this.#next - this.#cursor <= windowSpanMax;
  }

  /** The next number goes out. Answers its packet identifier. */
  send(qos: 1 | 2, size: number): number {
    const number = this.#next++;
    this.#put(number, qos === 1 ? sentQos1 : sentQos2, size);
    this.#count++;
    this.#bytes += size;
    return packetIdOf(number);
  }

  /** The next number never goes out. */
  skip(): void {
    this.#put(this.#next++, done, 0);
    this.#advance();
  }

  /** As `skip`, for every number below `number`; false when the window must move on first. */
  skipTo(number: number): boolean {
    if (number > this.#next && this.#next - this.#cursor === 1) {
      this.#next = number; // nothing is on its way: no need to walk
      this.#cursor = number - 1;
      return true;
    }
    while (this.#next < number && this.#next - this.#cursor <= windowSpanMax) this.skip();
    return this.#next >= number;
  }

  /** PUBACK. Answers the number, or 0 when none with that identifier waits for it. */
  acknowledge(packetId: number): number {
    const number = this.#find(packetId, sentQos1);
    if (number > 0) this.#finish(number);
    return number;
  }

  /** PUBREC. The same; PUBREL goes out for it. */
  receive(packetId: number): number {
    const number = this.#find(packetId, sentQos2);
    if (number > 0) this.#set(number, released);
    return number;
  }

  /** PUBREC with an error: the client will not have it. */
  refuse(packetId: number): number {
    const number = this.#find(packetId, sentQos2);
    if (number > 0) this.#finish(number);
    return number;
  }

  /** PUBCOMP. */
  complete(packetId: number): number {
    const number = this.#find(packetId, released);
    if (number > 0) this.#finish(number);
    return number;
  }

  /** Whether PUBREL has gone out, or may, for that identifier. */
  isReleased(packetId: number): boolean {
    return this.#find(packetId, released) > 0;
  }

  /** Numbers between the cursor and `next`, by what became of them: what is stored of a session. */
  progress(): { readonly done: readonly number[]; readonly released: readonly number[] } {
    const result = { done: [] as number[], released: [] as number[] };
    for (let number = this.#cursor + 1; number < this.#next; number++) {
      const state = this.#state(number);
      if (state === done) result.done.push(number);
      else if (state === released) result.released.push(number);
    }
    return result;
  }

  /** The connection has ended: what it did not confirm is to be sent again on the next. */
  detach(): void {
    this.#count = 0;
    this.#bytes = 0;
    for (let number = this.#cursor + 1; number < this.#next; number++) {
      const state = this.#state(number);
      if (state === sentQos1 || state === sentQos2) this.#set(number, unsure);
      else if (state === released) {
        this.#put(number, released, 0); // the client has its bytes
        this.#count++;
      }
    }
  }

  /** Whether the number was sent on an earlier connection and has not been since. */
  isUnsure(number: number): boolean {
    return number > this.#cursor && number < this.#next && this.#state(number) === unsure;
  }

  /** An unsure number goes out again, under the same packet identifier. */
  resend(number: number, qos: 1 | 2, size: number): number {
    this.#put(number, qos === 1 ? sentQos1 : sentQos2, size);
    this.#count++;
    this.#bytes += size;
    return packetIdOf(number);
  }

  /** An unsure number is not there any more. */
  abandon(number: number): void {
    if (!this.isUnsure(number)) return;
    this.#set(number, done);
    this.#advance();
  }

  /** Takes up numbers up to `sent` as they were stored before a restart; a span that no window of ours has is cut. */
  restore(sent: number, isDone: (number: number) => boolean, isReleased: (number: number) => boolean): void {
    const last = Math.min(sent, this.#cursor + windowSpanMax);
    while (this.#next <= last) {
      const number = this.#next++;
      const state = isReleased(number) ? released : isDone(number) ? done : unsure;
      this.#put(number, state, 0);
      if (state === released) this.#count++;
    }
    this.#advance();
  }

  #find(packetId: number, state: number): number {
    const base = this.#cursor + 1;
    const number = base + ((packetId - packetIdOf(base) + packetIds) % packetIds);
    return number < this.#next && this.#state(number) === state ? number : 0;
  }

  #finish(number: number): void {
    this.#count--;
    this.#bytes -= this.#sizes?.[number & (this.#sizes.length - 1)] ?? 0;
    this.#set(number, done);
    this.#advance();
  }

  #advance(): void {
    while (this.#cursor + 1 < this.#next && this.#state(this.#cursor + 1) === done) {
      this.#cursor++;
      this.#set(this.#cursor, free);
    }
  }

  #state(number: number): number {
    const states = this.#states;
    return states === undefined ? free : (states[number & (states.length - 1)] ?? free);
  }

  #set(number: number, state: number): void {
    const states = this.#states;
    if (states !== undefined) states[number & (states.length - 1)] = state;
  }

  #put(number: number, state: number, size: number): void {
    let states = this.#states;
    if (states === undefined || number - this.#cursor > states.length) states = this.#grow(number - this.#cursor);
    states[number & (states.length - 1)] = state;
    if (this.#sizes !== undefined) this.#sizes[number & (this.#sizes.length - 1)] = size;
  }

  /** Makes room for `span` numbers: a power of two, so that a mask finds the place. */
  #grow(span: number): Uint8Array {
    let length = this.#states?.length ?? ringMin;
    while (length < span) length *= 2;
    const states = new Uint8Array(length);
    const sizes = new Uint32Array(length);
    for (let number = this.#cursor + 1; number < this.#next - 1; number++) {
      states[number & (length - 1)] = this.#state(number);
      sizes[number & (length - 1)] = this.#sizes?.[number & (this.#sizes.length - 1)] ?? 0;
    }
    this.#states = states;
    this.#sizes = sizes;
    return states;
  }
}
