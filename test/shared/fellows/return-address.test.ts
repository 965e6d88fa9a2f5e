import { expect, test } from "vitest";
import { returnAddressOf, type AskedReturn } from "#shared/fellows/return-address.ts";
import { limits } from "#shared/limits.ts";

const nothing: AskedReturn = { responseTopic: undefined, correlation: undefined, reply: undefined, id: undefined };
const of = (asked: Partial<AskedReturn>): unknown =>
  returnAddressOf({ ...nothing, ...asked }, ["/bigones", "/machine"]);

test("[U32] MQTT 5 says it with a response topic and correlation data", () => {
  const correlation = Uint8Array.of(1, 2);
  const address = of({ responseTopic: "/answers/me", correlation });
  expect(address).toEqual({ topic: "/answers/me", correlation: Uint8Array.of(1, 2), id: undefined });
  correlation.fill(0);
  expect(address).toMatchObject({ correlation: Uint8Array.of(1, 2) });
});

test("[U32] 3.1.1 says it in the payload, with reply and id", () => {
  expect(of({ reply: "answers", id: 7 })).toEqual({ topic: "answers", correlation: undefined, id: 7 });
  expect(of({ reply: "answers", id: "7" })).toEqual({ topic: "answers", correlation: undefined, id: "7" });
});

test("[U32] the payload goes first, and without either nobody wants an answer", () => {
  expect(of({ reply: "a", responseTopic: "b" })).toMatchObject({ topic: "a" });
  expect(of({ id: 7 })).toBe("none");
  expect(of({ reply: null })).toBe("none");
});

test("[U32] a response cannot be made to speak as a server", () => {
  for (const reply of [
    "/bigones/server-2",
    "/bigones",
    "/machine/functions/reboot",
    "$SYS/x",
    "$fog/up/a/h",
    "a/#",
    "",
    7,
  ])
    expect(of({ reply })).toMatchObject({ refused: expect.stringContaining("reply") });
  expect(of({ responseTopic: "/bigones/server-2" })).toMatchObject({ refused: expect.any(String) });
  expect(of({ reply: "/bigonesx/y" })).toMatchObject({ topic: "/bigonesx/y" });
});

test("[U32] what goes back is bounded", () => {
  const bytes = limits.correlationBytes;
  expect(of({ reply: "a", correlation: new Uint8Array(bytes + 1) })).toMatchObject({ refused: expect.any(String) });
  expect(of({ reply: "a", id: "x".repeat(bytes + 1) })).toMatchObject({ refused: expect.any(String) });
  expect(of({ reply: "a", id: {} })).toMatchObject({ refused: expect.any(String) });
});
