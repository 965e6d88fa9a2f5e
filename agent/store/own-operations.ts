// What the parts of a node write about the node itself: its own messages, how far it has got, and its children.
import type { NodeName } from "#shared/ids.ts";
import type { Hasher } from "#shared/system/hasher.ts";
import type { ChildRepository, ChildRow } from "./child-repository.ts";
import type { ClockRepository } from "./clock-repository.ts";
import type { CursorName, IdentityRepository } from "./identity-repository.ts";
import type { Nothing } from "./nothing.ts";
import type { SegmentRepository } from "./segment-repository.ts";
import type { StreamRepository } from "./stream-repository.ts";

export interface OwnOperationsDeps {
  readonly identity: IdentityRepository;
  readonly streams: StreamRepository;
  readonly segments: SegmentRepository;
  readonly children: ChildRepository;
  readonly clocks: ClockRepository;
  readonly hasher: Hasher;
  /** Throws FOGBANK_STORE_FULL. */
  readonly refuseWhenFull: (attempted: string) => void;
}

/** `name`: whose database this is. */
export function createOwnOperations(deps: OwnOperationsDeps, name: NodeName) {
  const { identity, streams, segments, children, clocks, hasher, refuseWhenFull } = deps;
  return {
    /**
     * Stores a segment of own messages; answers their first number and the newest id. `clockOffsetMs`: of the clock that stamped them
     * when that is not the tree's.
     */
    append(args: {
      readonly streamId: number;
      readonly items: number;
      readonly firstMs: number;
      readonly lastMs: number;
      readonly body: Uint8Array;
      readonly clockOffsetMs?: number;
    }): { readonly first: number; readonly newestId: number } {
      refuseWhenFull("store a message");
      const { streamId, clockOffsetMs, ...segment } = args;
      const key = { origin: streams.originId(name, identity.epoch()), stream: streamId };
      const clock = clocks.idOf(clockOffsetMs);
      const first = segments.append(key, { ...segment, flags: 0, crc: hasher.crc32(args.body), clock });
      return { first, newestId: segments.newestId() };
    },

    moveCursor(args: { readonly cursor: CursorName; readonly id: number }): null {
      identity.setCursor(args.cursor, args.id);
      return null;
    },

    /** Changes nothing: whoever awaits it knows that commits get through. */
    beat(_args: Nothing): null {
      return null;
    },

    putChild(args: { readonly child: ChildRow }): null {
      children.put(args.child);
      return null;
    },
  };
}
