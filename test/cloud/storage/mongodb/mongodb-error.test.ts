import { MongoServerError } from "mongodb";
import { expect, test } from "vitest";
import { isDataError, mongodbError } from "#cloud/storage/mongodb/mongodb-error.ts";
import { FogbankError } from "#shared/errors.ts";

test.each([
  [new MongoServerError({ code: 14_031, message: "no room" }), "FOGBANK_STORE_FULL"],
  [new MongoServerError({ code: 8_000, message: "you are over your space quota" }), "FOGBANK_STORE_FULL"],
  [new MongoServerError({ code: 10_107, message: "not primary" }), "FOGBANK_STORE_AWAY"],
  [new MongoServerError({ code: 13, message: "not authorized" }), "FOGBANK_STORE_AWAY"],
  [new Error("connect ECONNREFUSED"), "FOGBANK_STORE_AWAY"],
])("%s is %s, which says nothing about the data", (error, code) => {
  const told = mongodbError("store messages", error);
  expect(told.code).toBe(code);
  expect(told.message).toContain("could not store messages in MongoDB: ");
});

test("what the store itself says stays as it is", () => {
  const refused = new FogbankError("FOGBANK_DATA_REFUSED", "not that");
  expect(mongodbError("store messages", refused)).toBe(refused);
});

test("only a word about the document counts against it", () => {
  expect([121, 2, 22, 10_334, 17_280].every(isDataError)).toBe(true);
  expect([11_000, 14_031, 10_107, 91, 189, 13, undefined].some(isDataError)).toBe(false);
});
