// What an error of the driver or of a server means to whoever stores. Nothing but a word about the data itself counts against the data.
import { MongoServerError } from "mongodb";
import { FogbankError } from "#shared/errors.ts";

/** Of a write: an index has that key already. */
export const duplicateKey = 11_000;

/** BadValue, InvalidBSON, DocumentValidationFailure, BSONObjectTooLarge, and a key that an index of before 4.2 does not take. */
const dataCodes: ReadonlySet<unknown> = new Set([2, 22, 121, 10_334, 17_280]);
/** OutOfDiskSpace, ExceededMemoryLimit does not count: another time it fits. */
const fullCodes: ReadonlySet<unknown> = new Set([14_031]);
/** Hosted servers say it in words. */
const fullWords = /no space left|space quota|disk full|out of disk/i;

/** Whether it is the document that a server finds fault with. */
export function isDataError(code: unknown): boolean {
  return dataCodes.has(code);
}

/** `attempt`: what could not be done, as "store messages". */
export function mongodbError(attempt: string, error: unknown): FogbankError {
  if (error instanceof FogbankError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const text = `could not ${attempt} in MongoDB: ${reason}`;
  const isFull = (error instanceof MongoServerError && fullCodes.has(error.code)) || fullWords.test(reason);
  return new FogbankError(isFull ? "FOGBANK_STORE_FULL" : "FOGBANK_STORE_AWAY", text, { cause: error });
}
