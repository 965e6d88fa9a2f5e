// What other parts of a node use of the link to its parent, besides data: frames of their own kinds, best effort.

export interface ParentLink {
  /** Name of the parent that is connected now. */
  parent(): string | undefined;
  /** Sends a frame of that kind (the last level of the link's topic). False when the parent is not connected. */
  send(kind: string, payload: Uint8Array): boolean;
  /** Hears frames of that kind. The payload is only valid during the call. */
  onFrame(kind: string, handler: (payload: Uint8Array) => void): Disposable;
  /** Hears each time a session with the parent begins. */
  onUp(handler: () => void): Disposable;
}

/** A root's link to nobody. */
export const noParent: ParentLink = {
  parent: () => undefined,
  send: () => false,
  onFrame: () => ({ [Symbol.dispose]() {} }),
  onUp: () => ({ [Symbol.dispose]() {} }),
};
