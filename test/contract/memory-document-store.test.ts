import { createMemoryDocumentStore } from "../fakes/memory-document-store.ts";
import { testDocumentStore } from "./document-store-contract.ts";

testDocumentStore("memory", async () => createMemoryDocumentStore());
