// What all hollow nodes of a process together have done and moved.

export interface HollowReport {
  /** With a session now. */
  readonly connected: number;
  /** Hellos that the parent turned away: to come again later, or for good. */
  readonly refused: number;
  /** Functions that were run, and events that arrived. */
  readonly ran: number;
  readonly events: number;
  /** Frames of machine messages (envelopes and receipts), and all frames with heartbeats; bytes are those of the payloads. */
  readonly callFramesIn: number;
  readonly callFramesOut: number;
  readonly callBytesIn: number;
  readonly callBytesOut: number;
  readonly framesIn: number;
  readonly framesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

export class HollowCounts {
  connected = 0;
  refused = 0;
  ran = 0;
  events = 0;
  readonly #in = { frames: 0, bytes: 0, callFrames: 0, callBytes: 0 };
  readonly #out = { frames: 0, bytes: 0, callFrames: 0, callBytes: 0 };

  received(kind: string, bytes: number): void {
    add(this.#in, kind, bytes);
  }

  sent(kind: string, bytes: number): void {
    add(this.#out, kind, bytes);
  }

  report(): HollowReport {
    const { connected, refused, ran, events } = this;
    return {
      connected,
      refused,
      ran,
      events,
      callFramesIn: this.#in.callFrames,
      callFramesOut: this.#out.callFrames,
      callBytesIn: this.#in.callBytes,
      callBytesOut: this.#out.callBytes,
      framesIn: this.#in.frames,
      framesOut: this.#out.frames,
      bytesIn: this.#in.bytes,
      bytesOut: this.#out.bytes,
    };
  }
}

interface Traffic {
  frames: number;
  bytes: number;
  callFrames: number;
  callBytes: number;
}

function add(traffic: Traffic, kind: string, bytes: number): void {
  traffic.frames++;
  traffic.bytes += bytes;
  if (kind !== "c" && kind !== "r") return;
  traffic.callFrames++;
  traffic.callBytes += bytes;
}
