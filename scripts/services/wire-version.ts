// MongoDB's driver wants a server of wire version 9 (4.4); the mongod that tests can have says 7. What tests need of it is the same in
// both, so the number is changed on the way from the server, and nothing else is.

/** What `maxWireVersion` is raised to. */
const wireVersionMin = 9;

/** An int32 of that name: type, name, NUL. */
const field = Buffer.from("\u0010maxWireVersion\0", "latin1");
/** Greetings are small; in what is larger the field would be somebody's data. */
const greetingBytesMax = 4_096;
const lengthBytes = 4;

/** Takes the bytes of one connection as they come, and gives whole messages: each begins with its length, an int32, little-endian. */
export class WireVersionRaiser {
  #waiting: Buffer = Buffer.alloc(0);

  push(bytes: Buffer): Buffer {
    let rest = this.#waiting.length === 0 ? bytes : Buffer.concat([this.#waiting, bytes]);
    const whole: Buffer[] = [];
    while (rest.length >= lengthBytes) {
      const length = rest.readInt32LE(0);
      if (length < lengthBytes || rest.length < length) break;
      whole.push(raised(rest.subarray(0, length)));
      rest = rest.subarray(length);
    }
    this.#waiting = rest;
    return Buffer.concat(whole);
  }
}

function raised(message: Buffer): Buffer {
  const at = message.length < greetingBytesMax ? message.indexOf(field) : -1;
  const valueAt = at + field.length;
  if (at === -1 || valueAt + 4 > message.length) return message;
  const copy = Buffer.from(message);
  copy.writeInt32LE(Math.max(wireVersionMin, message.readInt32LE(valueAt)), valueAt);
  return copy;
}
