// What a configuration opens to other machines: refused, warned of, or contradictory.
import { FogbankError } from "#shared/errors.ts";
import { toPlain } from "#shared/libconfig/setting.ts";
import { isLoopback } from "../net/loopback.ts";
import type { AnonymousMode } from "../auth/authorizer.ts";
import type { ListenAddress } from "../net/listen-spec.ts";
import { formatListenAddress, formatMqttAddress, type HostPort, parseMqttAddress } from "./listen-address.ts";
import { formatOrigin, type ValuesByKey } from "./origin.ts";
import type { ConfigKey } from "./schema.ts";
import type { UplinkConfig } from "./uplink-url.ts";

interface Exposure {
  readonly listen: { readonly mqtt: readonly ListenAddress[]; readonly http: readonly HostPort[] };
  readonly uplink?: UplinkConfig;
  readonly tls?: { readonly ca?: string };
  readonly auth: { readonly users?: string; readonly anonymous: AnonymousMode };
  readonly insecure: boolean;
}

/** Throws FOGBANK_LISTEN_INSECURE for the first listener that leaves this machine without TLS. */
export function refuseOpenListeners(
  { insecure, listen }: Pick<Exposure, "insecure" | "listen">,
  values: ValuesByKey,
): void {
  if (insecure) return;
  const plain = listen.mqtt.filter(({ transport }) => transport === "tcp" || transport === "ws");
  const openMqtt = plain.find(({ host }) => !isLoopback(host));
  const openHttp = listen.http.find(({ host }) => !isLoopback(host));
  if (openMqtt !== undefined) {
    const secure = openMqtt.transport === "ws" ? "wss://" : "mqtts://";
    refuse(
      "listen.mqtt",
      formatMqttAddress(openMqtt),
      `take ${secure} with a certificate (tls.cert, tls.key), `,
      values,
    );
  }
  if (openHttp !== undefined) refuse("listen.http", formatListenAddress(openHttp), "", values);
}

/** Throws FOGBANK_CONFIG_INVALID for settings that need each other. */
export function refuseConflicts(values: ValuesByKey): void {
  const mqtt = values.get("listen.mqtt");
  const plain = mqtt === undefined ? [] : toPlain(mqtt.value);
  const texts = (Array.isArray(plain) ? plain : [plain]).filter((text) => typeof text === "string");
  const secure = texts.find((text) => ["tls", "wss"].includes(parseMqttAddress(text)?.transport ?? ""));
  if (secure !== undefined) need(values, "listen.mqtt", ["tls.cert", "tls.key"], `to listen on ${secure}`);
  need(values, "tls.cert", ["tls.key"]);
  need(values, "tls.key", ["tls.cert"]);
  need(values, "tls.ca", ["tls.cert", "tls.key"]);
  if (isTrue(values, "tls.require-client-certificate")) need(values, "tls.require-client-certificate", ["tls.ca"]);
  for (const key of ["uplink.secret-file", "uplink.ca", "uplink.cert", "uplink.key"] as const)
    need(values, key, ["uplink.url"]);
  need(values, "uplink.cert", ["uplink.key"]);
  need(values, "uplink.key", ["uplink.cert"]);
  for (const key of ["documents.user", "documents.password-file", "documents.ca", "documents.certificate-key"] as const)
    need(values, key, ["documents.url"]);
  need(values, "documents.user", ["documents.password-file"]);
  need(values, "documents.password-file", ["documents.user"]);
  const level = values.get("level")?.value;
  if (values.has("documents.url") && !(level?.type === "string" && level.value === "cloud"))
    conflict(values, "documents.url", "it has a use only at level cloud");
  const url = values.get("uplink.url");
  const isTls = url?.value.type === "string" && /^mqtts:/i.test(url.value.value);
  for (const key of ["uplink.ca", "uplink.cert"] as const) {
    if (!isTls && values.has(key))
      conflict(values, key, "it has a use only with an uplink.url that begins with mqtts://");
  }
}

/** Sentences about what the operator may not have meant. */
export function exposureWarnings({ listen, auth, tls, uplink }: Omit<Exposure, "insecure">): readonly string[] {
  const warnings: string[] = [];
  const open = listen.mqtt.filter(({ transport, host }) => transport !== "unix" && !isLoopback(host));
  const first = open[0];
  if (first !== undefined && auth.anonymous !== "always" && auth.users === undefined) {
    const admitted = tls?.ca === undefined ? "nobody" : "only holders of a certificate";
    const where = formatMqttAddress(first);
    warnings.push(
      `${where} admits ${admitted} from other machines: there is no auth.users, and anonymous clients are ${auth.anonymous === "local" ? "admitted from this machine only" : "not admitted"}`,
    );
  }
  if (first !== undefined && auth.anonymous === "always") {
    warnings.push(
      `auth.anonymous = always: whoever reaches ${formatMqttAddress(first)} may use this node, also as its child`,
    );
  }
  if (first === undefined && auth.anonymous === "never" && auth.users === undefined && tls?.ca === undefined) {
    warnings.push("auth.anonymous = never without auth.users: nobody can connect");
  }
  if (uplink?.secretFile !== undefined && uplink.isTls === undefined && !isLoopback(uplink.host)) {
    warnings.push("uplink.secret-file crosses the network in clear: take an uplink.url that begins with mqtts://");
  }
  return warnings;
}

function refuse(key: ConfigKey, address: string, remedy: string, values: ValuesByKey): never {
  const sourced = values.get(key);
  throw new FogbankError(
    "FOGBANK_LISTEN_INSECURE",
    `${sourced === undefined ? key : formatOrigin(key, sourced)}: ${key}: other machines can reach ${address}: ` +
      `${remedy}listen on 127.0.0.1 or [::1], or set insecure = true if everybody on that network may use this node`,
  );
}

function need(values: ValuesByKey, key: ConfigKey, others: readonly ConfigKey[], why = ""): void {
  if (!values.has(key)) return;
  const missing = others.filter((other) => !values.has(other));
  if (missing.length > 0)
    conflict(values, key, `${why}${why === "" ? "" : " "}${missing.join(" and ")} must be set too`);
}

function conflict(values: ValuesByKey, key: ConfigKey, fault: string): never {
  const sourced = values.get(key);
  const where = sourced === undefined ? "" : `${formatOrigin(key, sourced)}: `;
  throw new FogbankError("FOGBANK_CONFIG_INVALID", `${where}${key}: ${fault}`);
}

function isTrue(values: ValuesByKey, key: ConfigKey): boolean {
  const value = values.get(key)?.value;
  return value?.type === "boolean" && value.value;
}
