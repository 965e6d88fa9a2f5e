import { expect, test } from "vitest";
import { judgeParent, type ParentFacts } from "#agent/doctor/parent.ts";

const reached: ParentFacts = {
  url: "mqtts://cloud:8883",
  host: "cloud",
  port: 8883,
  name: "fog-1",
  addresses: ["10.0.0.1"],
  tcp: "ok",
  tls: { refusal: undefined, expires: "2027-01-01T00:00:00.000Z" },
  mqtt: { outcome: "accepted" },
  now: "2026-07-10T12:00:00.000Z",
};

const judge = (facts: Partial<ParentFacts>) => judgeParent({ ...reached, ...facts })[0];

test("a parent that accepts is fine, with what its certificate says", () => {
  expect(judge({})).toEqual({
    check: "parent",
    level: "ok",
    what: "mqtts://cloud:8883 is reached, its certificate is believed until 2027-01-01, and its broker accepts connections from here",
  });
});

test("each step that fails has words and a remedy of its own", () => {
  const ways: readonly (readonly [Partial<ParentFacts>, string, string])[] = [
    [{ addresses: "ENOTFOUND" }, "cloud has no address", "uplink.url"],
    [{ addresses: "EAI_AGAIN" }, "no name server", "name server"],
    [{ tcp: "ECONNREFUSED" }, "nobody listens on port 8883 of cloud (10.0.0.1)", "listen.mqtt"],
    [{ tcp: "EHOSTUNREACH" }, "no way to", "network"],
    [{ tcp: "ETIMEDOUT" }, "does not answer", "firewall"],
    [{ tcp: "EPROTO" }, "(EPROTO)", "machine"],
    [{ tls: { refusal: "CERT_HAS_EXPIRED", subject: "cloud" } }, '("cloud") has expired', "renew"],
    [{ tls: { refusal: "CERT_NOT_YET_VALID" } }, "not valid yet", "clock"],
    [{ tls: { refusal: "ERR_TLS_CERT_ALTNAME_INVALID" } }, "is not for cloud", "subjectAltName"],
    [{ tls: { refusal: "SELF_SIGNED_CERT_IN_CHAIN" } }, "nobody whom this node believes", "uplink.ca"],
    [{ tls: { refusal: "ECONNRESET" } }, "handshake", "mqtts port"],
  ];
  for (const [facts, what, todo] of ways) {
    expect(judge(facts)).toMatchObject({
      level: "problem",
      what: expect.stringContaining(what) as string,
      todo: expect.stringContaining(todo) as string,
    });
  }
});

test("a broker that refuses says what to set up; one that is busy is to be asked later", () => {
  const refused = judge({ mqtt: { outcome: "refused", code: 4, reason: "bad user name" } });
  expect(refused).toMatchObject({
    level: "problem",
    todo: expect.stringContaining("fogbank user add fog-1 --child") as string,
  });
  expect(judge({ mqtt: { outcome: "refused", code: 3, reason: "busy" } })?.todo).toContain("in a minute");
  expect(judge({ mqtt: { outcome: "refused", reason: "it closed" } })?.todo).toContain("MQTT port");
});

test("a secret is not tried, and that is said; files that cannot be read end the look", () => {
  expect(judge({ mqtt: { outcome: "not-tried", why: "secret" } })).toMatchObject({
    level: "ok",
    what: expect.stringContaining("the secret was not tried") as string,
  });
  expect(judge({ mqtt: { outcome: "not-tried", why: "unreadable" } })?.level).toBe("advice");
});

test("a running node is believed about its own link", () => {
  const { mqtt: _, ...asked } = reached;
  const uplink = { since: "2026-07-10T11:55:00.000Z", path: [] };
  const of = (state: "up" | "down") => judgeParent({ ...asked, uplink: { ...uplink, state, reason: "no proof" } })[0];
  expect(of("up")).toMatchObject({
    level: "ok",
    what: expect.stringContaining("connected since 2026-07-10 11:55:00Z") as string,
  });
  expect(of("down")).toMatchObject({ level: "problem", what: expect.stringContaining(": no proof") as string });
});
