// Whether the parent can be reached, step by step: its name, its port, its certificate, its broker.
import type { StatusReport } from "#shared/reports.ts";
import { formatSince } from "../cli/quantities.ts";
import { type Finding, ok } from "./finding.ts";

/** What each step came to. A step after one that failed is absent. */
export interface ParentFacts {
  /** Without user and password. */
  readonly url: string;
  readonly host: string;
  readonly port: number;
  /** Of the node itself: for what the parent must know. */
  readonly name: string;
  /** Addresses of the host, or the error's code. */
  readonly addresses: readonly string[] | string;
  /** "ok", or the error's code. */
  readonly tcp?: string;
  readonly tls?: TlsFacts;
  readonly mqtt?: MqttFacts;
  /** What the running node itself says of its uplink, instead of `mqtt`. */
  readonly uplink?: StatusReport["uplink"];
  /** ISO 8601. */
  readonly now: string;
}

/** `refusal`: why the certificate is not believed, or the handshake failed; a code of OpenSSL or Node. `expires`: ISO 8601. */
export type TlsFacts =
  | { readonly refusal: string; readonly subject?: string }
  | { readonly refusal: undefined; readonly expires: string };

/**
 * How a connection under another client identifier ended. It tells nothing of a secret, which goes with the node's own one: to use
 * that could push out a node of this name.
 */
export type MqttFacts =
  | { readonly outcome: "accepted" }
  | { readonly outcome: "not-tried"; readonly why: "secret" | "unreadable" }
  /** `code`: of CONNACK (MQTT 3.1.1, section 3.2.2.3); absent when there was none. */
  | { readonly outcome: "refused"; readonly code?: number; readonly reason: string };

const check = "parent";
const serverUnavailable = 3;

export function judgeParent(facts: ParentFacts): readonly Finding[] {
  const { host, port, addresses, tcp, tls } = facts;
  if (typeof addresses === "string") {
    const isPending = addresses === "EAI_AGAIN" || addresses === "ETIMEDOUT";
    return [
      problem(
        isPending ? `no name server answers for ${host} (${addresses})` : `${host} has no address (${addresses})`,
        isPending
          ? "see whether this machine has a network and a name server"
          : "correct the host in uplink.url, or add it to /etc/hosts",
      ),
    ];
  }
  if (tcp !== "ok") return [judgeTcp(host, port, addresses, tcp)];
  if (tls?.refusal !== undefined) return [judgeTls(host, tls)];
  const reached = `${facts.url} is reached${tls === undefined ? "" : `, its certificate is believed until ${tls.expires.slice(0, 10)}`}`;
  return [facts.uplink === undefined ? judgeMqtt(facts, reached) : judgeUplink(facts.uplink, facts.now, reached)];
}

function judgeTcp(host: string, port: number, addresses: readonly string[], code: string | undefined): Finding {
  const where = `port ${port} of ${host} (${addresses.slice(0, 3).join(", ")})`;
  switch (code) {
    case "ECONNREFUSED":
      return problem(
        `nobody listens on ${where}`,
        "start the parent, and see that its listen.mqtt names an address that this machine can reach: 127.0.0.1 is only for itself",
      );
    case "ENETUNREACH":
    case "EHOSTUNREACH":
      return problem(
        `there is no way to ${where} (${code})`,
        "see whether this machine's network is up, and its routes",
      );
    case "ETIMEDOUT":
      return problem(
        `${where} does not answer`,
        "see whether that machine is on, and whether a firewall between drops this port",
      );
    default:
      return problem(`${where} cannot be reached (${code})`, "see whether that machine is on, and what is between");
  }
}

function judgeTls(host: string, { refusal, subject }: Extract<TlsFacts, { refusal: string }>): Finding {
  const whose = subject === undefined ? "the parent's certificate" : `the parent's certificate ("${subject}")`;
  switch (refusal) {
    case "CERT_HAS_EXPIRED":
      return problem(
        `${whose} has expired`,
        "renew it at the parent; see also whether the clock of this machine is right",
      );
    case "CERT_NOT_YET_VALID":
      return problem(`${whose} is not valid yet`, "see whether the clock of this machine is right");
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return problem(
        `${whose} is not for ${host}`,
        "dial the parent by a name that is in its certificate, or have one issued with this name (subjectAltName)",
      );
    case "SELF_SIGNED_CERT_IN_CHAIN":
    case "DEPTH_ZERO_SELF_SIGNED_CERT":
    case "UNABLE_TO_VERIFY_LEAF_SIGNATURE":
    case "UNABLE_TO_GET_ISSUER_CERT":
    case "UNABLE_TO_GET_ISSUER_CERT_LOCALLY":
      return problem(
        `${whose} is signed by nobody whom this node believes (${refusal})`,
        "set uplink.ca to the certificate of the authority that signed it",
      );
    default:
      return problem(
        `the TLS handshake with the parent failed (${refusal})`,
        "see that uplink.url names its mqtts port, and its log for what it does not like",
      );
  }
}

function judgeUplink(uplink: StatusReport["uplink"], now: string, reached: string): Finding {
  if (uplink.state === "up")
    return ok(check, `${reached}; the node that runs has been connected since ${formatSince(uplink.since, now)}`);
  const why = uplink.reason === undefined ? "" : `: ${uplink.reason}`;
  return problem(
    `${reached}, but the node that runs has not been connected since ${formatSince(uplink.since, now)}${why}`,
    "see the logs of both nodes",
  );
}

function judgeMqtt({ mqtt, name }: ParentFacts, reached: string): Finding {
  if (mqtt === undefined) return ok(check, reached);
  switch (mqtt.outcome) {
    case "accepted":
      return ok(check, `${reached}, and its broker accepts connections from here`);
    case "not-tried":
      if (mqtt.why === "unreadable") {
        return {
          check,
          level: "advice",
          what: `${reached}; no more was tried, as a file of the uplink cannot be read`,
          todo: "see the findings about uplink",
        };
      }
      return ok(check, `${reached}; the secret was not tried, as that could push out a node of this name`);
    case "refused":
      if (mqtt.code === serverUnavailable) {
        return problem(
          `${reached}, but is busy: ${mqtt.reason}`,
          "try again in a minute; too many log-ins from here may have failed",
        );
      }
      if (mqtt.code === undefined) {
        return problem(
          `${reached}, but not as a broker: ${mqtt.reason}`,
          "see that uplink.url names its MQTT port; where it asks for certificates, set uplink.cert and uplink.key",
        );
      }
      return problem(
        `${reached}, but its broker refuses this node: ${mqtt.reason}`,
        `at the parent: fogbank user add ${name} --child; here: uplink.secret-file with that secret (or uplink.cert and uplink.key)`,
      );
  }
}

function problem(what: string, todo: string): Finding {
  return { check, level: "problem", what, todo };
}
