// A document store that is away for a while, or stores and then says that it did not.
import type { DocumentStore } from "#shared/system/document-store.ts";

export type DocumentsCondition = "up" | "down" | "fails after storing";

export interface FaultyDocuments {
  readonly documents: DocumentStore;
  condition: DocumentsCondition;
}

/** Reading works at any time; what inserts does not. */
export function faultyDocuments(real: DocumentStore): FaultyDocuments {
  const faulty: FaultyDocuments = {
    condition: "up",
    documents: new Proxy(real, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return typeof name === "string" && name.startsWith("insert")
          ? (...args: readonly unknown[]) =>
              insert(faulty, () => Reflect.apply(value, target, args) as Promise<unknown>)
          : value.bind(target);
      },
    }),
  };
  return faulty;
}

async function insert(faulty: FaultyDocuments, work: () => Promise<unknown>): Promise<unknown> {
  if (faulty.condition === "down") throw new Error("the document store is down");
  const outcome = await work();
  if (faulty.condition !== "up") throw new Error("the document store did not answer");
  return outcome;
}
