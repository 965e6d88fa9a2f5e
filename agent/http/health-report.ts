// What a status says of the node's own health: how the journal and the document store do, and what an operator should look into.
import type { AlarmReport, DocumentsReport, JournalReport, StatusReport } from "#shared/reports.ts";

/** What a view asks of the journal. Times in milliseconds since 1970. */
export interface JournalHealth {
  readonly state: JournalReport["state"];
  readonly sinceMs: number;
  readonly reason: string | undefined;
  readonly givenUp: NonNullable<JournalReport["lost"]>;
  /** Streams whose numbers have come in that many pieces. */
  readonly scattered: readonly { readonly origin: string; readonly stream: string; readonly ranges: number }[];
}

/** What it asks of the drain into the document store. */
export interface DocumentsHealth extends Omit<DocumentsReport, "failingSince"> {
  readonly failingSinceMs: number | undefined;
}

export interface TreeAlarm {
  readonly about: string;
  readonly reason: string;
  readonly sinceMs?: number;
}

const namedMax = 100;

export function healthReport(
  journal: JournalHealth,
  documents: DocumentsHealth | undefined,
  tree: readonly TreeAlarm[],
): Pick<StatusReport, "journal" | "documents" | "alarms"> {
  const alarms = [...tree.map(alarmReport), ...journal.scattered.map(scatteredAlarm)].slice(0, namedMax);
  return {
    journal: journalReport(journal),
    ...(documents === undefined ? {} : { documents: documentsReport(documents) }),
    ...(alarms.length === 0 ? {} : { alarms }),
  };
}

function journalReport({ state, sinceMs, reason, givenUp }: JournalHealth): JournalReport {
  return {
    state,
    since: iso(sinceMs),
    ...(reason === undefined ? {} : { reason }),
    ...(givenUp.length === 0 ? {} : { lost: givenUp.slice(0, namedMax) }),
  };
}

function documentsReport({ failingSinceMs, drained, quarantined }: DocumentsHealth): DocumentsReport {
  return { ...(failingSinceMs === undefined ? {} : { failingSince: iso(failingSinceMs) }), drained, quarantined };
}

function alarmReport({ about, reason, sinceMs }: TreeAlarm): AlarmReport {
  return { about, reason, ...(sinceMs === undefined ? {} : { since: iso(sinceMs) }) };
}

function scatteredAlarm({ origin, stream, ranges }: JournalHealth["scattered"][number]): AlarmReport {
  const reason = `its numbers have come in ${ranges} pieces: messages in between are missing`;
  return { about: `${origin}/${stream}`, reason };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
