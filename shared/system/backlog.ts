// Which stored segments may be handed on: those that this node has published to its own subscribers first.

export interface Backlog {
  /** Segments up to this id may go. */
  releasedId(): number;
  onReleased(listener: () => void): Disposable;
}
