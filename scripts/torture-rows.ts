// What the journal of a HOME of the torture says, read beside `gpu`.
import { Database } from "bun:sqlite";
import { existsSync } from "node:fs";

/** One launch, as far as it is counted. Times are milliseconds since 1970. */
export interface Row {
  readonly run: string;
  readonly state: string;
  readonly instanceId: string | null;
  readonly launchedAt: number | null;
  readonly stoppedAt: number | null;
}

/** Launches of one run that had machines at the same time: each job wants one. */
export function overlaps(rows: readonly Row[]): number {
  const made = rows.filter(({ launchedAt, instanceId }) => launchedAt !== null && instanceId !== null);
  return made.filter((row) =>
    made.some((other) =>
      other !== row && other.run === row.run && (other.launchedAt ?? 0) > (row.launchedAt ?? 0) &&
      (other.launchedAt ?? 0) < (row.stoppedAt ?? Infinity)
    )
  ).length;
}

/** More than one machine of the same launch. */
export function repeated(tokens: readonly string[]): number {
  return tokens.length - new Set(tokens).size;
}

/** Every launch in a journal; none where there is no journal yet. */
export function readRows(path: string): Row[] {
  if (!existsSync(path)) return [];
  using journal = new Database(path, { readonly: true });
  journal.run("PRAGMA busy_timeout = 5000");
  return journal.query<Row, []>("SELECT run, state, instanceId, launchedAt, stoppedAt FROM launches").all();
}
