// A message as a document of the collection `data`.
import { Binary, type Document } from "mongodb";
import { readerFlags } from "#shared/journal/segment.ts";
import { SegmentReader } from "#shared/journal/segment-reader.ts";
import type { DataBlock, DataDocument } from "#shared/system/document-store.ts";
import { pathOf } from "../block-filters.ts";

/** Names one stream of one epoch. */
export interface StreamKey {
  readonly origin: string;
  readonly epoch: number;
  readonly stream: string;
}

/** Compared field by field in this order, so that the index of `_id` has the messages of a stream in the order of their numbers. */
export interface Identity extends StreamKey {
  readonly seq: number;
}

export interface MessageDocument {
  readonly _id: Identity;
  readonly arrival: number;
  readonly time: Date;
  readonly topic: string;
  /** What `DataQuery.path` is compared with. */
  readonly path: string;
  readonly payload: Binary;
  readonly flags: number;
}

/** A block, or what is new of it: the messages from `first` on of a body that begins with number `bodyFirst`. */
export interface BlockPart extends Pick<
  DataBlock,
  "origin" | "epoch" | "stream" | "first" | "items" | "arrival" | "flags"
> {
  /** In the shape that a reader walks. */
  readonly body: Uint8Array;
  readonly bodyFirst: number;
}

export function documentsOf(part: BlockPart): MessageDocument[] {
  const { origin, epoch, stream, first, items, arrival, body, bodyFirst } = part;
  const flags = part.flags & readerFlags;
  const documents: MessageDocument[] = [];
  const reader = new SegmentReader(body);
  for (let seq = bodyFirst; seq < first + items && reader.next(); seq++) {
    if (seq < first) continue;
    const topic = reader.topic();
    documents.push({
      _id: { origin, epoch, stream, seq },
      arrival: arrival + seq - first,
      time: new Date(reader.timeMs),
      topic,
      path: pathOf(topic),
      payload: new Binary(reader.payload()),
      flags,
    });
  }
  return documents;
}

export function messageOf({ _id, arrival, time, topic, payload, flags }: MessageDocument): DataDocument {
  const { origin, epoch, stream, seq } = _id;
  // A copy: a message must not keep the whole answer in memory.
  const bytes = new Uint8Array(payload.value());
  return { origin, epoch, stream, seq, arrival, timeMs: time.getTime(), topic, payload: bytes, flags };
}

/** A condition on `_id`: the numbers `first` to `last` of a stream. */
export function numbersOf(key: StreamKey, first: number, last: number): Document {
  const { origin, epoch, stream } = key;
  return { _id: { $gte: { origin, epoch, stream, seq: first }, $lte: { origin, epoch, stream, seq: last } } };
}
