// The faux configuration file of the Utopia document, with the values that it had there.

interface Line {
  readonly text: string;
  /** Whether it was added after the document was written. */
  readonly isLater?: true;
}

const lines: readonly Line[] = [
  { text: '# utopiad: core settings\nuser = "utopiad";' },
  { text: 'group = "utopiad";' },
  { text: 'hostname = "10.0.0.1";', isLater: true },
  { text: 'keydir = "/etc/utopia/utopiad_keys"; // keys' },
  { text: 'rest-root = "/var/lib/utopiad";', isLater: true },
  { text: "rest-auth = no;", isLater: true },
  { text: 'rest-acl = "";', isLater: true },
  { text: "mqtt-server-list = ();", isLater: true },
  { text: "mqtt-management-port = 5432;", isLater: true },
  { text: "mqtt-management-servers = ( );", isLater: true },
  { text: 'mqtt-keyname = "";' },
  { text: 'mqtt-ca = "";' },
  { text: 'zookeeper-keyname = "";' },
  { text: 'zookeeper-ca = "";' },
  { text: "/* 0 to 10 */ loglevel = 0;" },
  { text: 'logname = "utopia_server.log";' },
  { text: 'logpath = "/var/log";' },
  { text: "useClientLogs = no;" },
  { text: 'pidfile = "/var/run/utopia_server.pid";' },
  { text: 'var-base = "/var/lib/utopia_server";' },
  { text: 'base-config = "/usr/share/utopia_server";' },
  { text: 'volatile-config = "/var/lib/utopia_server/data";' },
  { text: "db-type = mongodb;" },
  { text: "db-port = 12345;" },
  { text: "db-servers = ( );" },
  { text: "zookeeper = on;" },
  { text: "zookeeper-name = bigones;" },
  { text: "zookeeper-servers = ( );" },
];

/** As it was when the document was written, and as it was left. */
export const originalFiles = {
  atFirst: textOf(lines.filter(({ isLater }) => isLater !== true)),
  atLast: textOf(lines),
} as const;

export const withoutZookeeper = (text: string): string => text.replace("zookeeper = on", "zookeeper = off");

function textOf(some: readonly Line[]): string {
  return `${some.map(({ text }) => text).join("\n")}\n`;
}
