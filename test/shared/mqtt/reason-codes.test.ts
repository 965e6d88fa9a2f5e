import { expect, test } from "vitest";
import { reason, returnCode, returnCodeOf } from "#shared/mqtt/reason-codes.ts";

test("every reason has a code of its own, refusals from 0x80 on", () => {
  const codes = Object.values(reason);
  expect(new Set(codes).size).toBe(codes.length);
  const fine = Object.entries(reason).filter(([, code]) => code < 0x80);
  expect(fine.map(([name]) => name)).toEqual(["success", "disconnectWithWill", "noSubscriptionExisted"]);
});

test("a 3.1.1 client is told what its protocol has words for, and otherwise that the server is unavailable", () => {
  const told = Object.fromEntries(Object.entries(reason).map(([name, code]) => [name, returnCodeOf(code)]));
  const { success, unsupportedProtocolVersion, clientIdNotValid, badCredentials, notAuthorized, ...others } = told;
  expect([success, unsupportedProtocolVersion, clientIdNotValid, badCredentials, notAuthorized]).toEqual([
    0, 1, 2, 4, 5,
  ]);
  expect(new Set(Object.values(others))).toEqual(new Set([returnCode.serverUnavailable]));
});
