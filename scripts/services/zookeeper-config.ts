// The files that a ZooKeeper server starts from, as text.

export interface ServerPorts {
  readonly client: number;
  readonly quorum: number;
  readonly election: number;
  /** Where TLS is spoken, if it is. */
  readonly secure?: number;
}

/** Paths of PEM files. */
export interface ServerTls {
  /** The key (PKCS#8), and after it the certificate. */
  readonly keyStore: string;
  /** Authorities whose clients are believed. */
  readonly trustStore: string;
  readonly clientAuth: "none" | "need";
}

/** Half a second: sessions are negotiated into 2–20 of them, so 1 to 10 s. */
const tickMs = 500;

/** `zoo.cfg` of a server that knows no other. */
export function standaloneConfig(dataDir: string, ports: ServerPorts, tls: ServerTls | undefined): string {
  return lines([
    ...common(dataDir),
    "clientPortAddress=127.0.0.1",
    `clientPort=${ports.client}`,
    ...(tls === undefined || ports.secure === undefined ? [] : secure(ports.secure, tls)),
  ]);
}

/** `zoo.cfg` of one of an ensemble. The server rewrites the file: it is made once, and kept for the next start. */
export function ensembleConfig(dataDir: string, all: readonly ServerPorts[]): string {
  return lines([
    ...common(dataDir),
    "initLimit=20",
    "syncLimit=10",
    "standaloneEnabled=false",
    "reconfigEnabled=true",
    ...all.map(
      ({ client, quorum, election }, at) => `server.${at + 1}=127.0.0.1:${quorum}:${election};127.0.0.1:${client}`,
    ),
  ]);
}

function common(dataDir: string): readonly string[] {
  return [
    `tickTime=${tickMs}`,
    `dataDir=${dataDir}`,
    "admin.enableServer=false",
    "4lw.commands.whitelist=*",
    "maxClientCnxns=0",
  ];
}

function secure(port: number, { keyStore, trustStore, clientAuth }: ServerTls): readonly string[] {
  return [
    "serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory",
    "secureClientPortAddress=127.0.0.1",
    `secureClientPort=${port}`,
    `ssl.keyStore.location=${keyStore}`,
    `ssl.trustStore.location=${trustStore}`,
    `ssl.clientAuth=${clientAuth}`,
  ];
}

function lines(all: readonly string[]): string {
  return `${all.join("\n")}\n`;
}
