import { type Bindings, whereAll } from "./journal-sql.ts";

export interface LaunchFilter {
  /** Whether it may still have a machine. */
  readonly open?: boolean;
  /** Ended after that time: milliseconds since 1970. */
  readonly endedSince?: number;
  readonly run?: string;
  readonly provider?: string;
}

export interface EventFilter {
  readonly token?: string;
  readonly run?: string;
  /** An event's id: only what came after it. */
  readonly after?: number;
  /** Milliseconds since 1970. */
  readonly since?: number;
  /** At most so many, the last ones; 1000 when left out. */
  readonly limit?: number;
}

interface Query {
  readonly sql: string;
  readonly bindings: Bindings;
}

/** Oldest first. */
export function launchesWhere({ open, endedSince, run, provider }: LaunchFilter): Query {
  const conditions = [
    open === true && "state NOT IN ('STOPPED', 'ABSENT')",
    open === false && "state IN ('STOPPED', 'ABSENT')",
    endedSince !== undefined && "state IN ('STOPPED', 'ABSENT') AND stoppedAt > @endedSince",
    run !== undefined && "run = @run",
    provider !== undefined && "provider = @provider",
  ];
  const bindings = {
    ...(endedSince !== undefined && { endedSince }),
    ...(run && { run }),
    ...(provider && { provider }),
  };
  return { sql: `SELECT * FROM launches ${whereAll(conditions)} ORDER BY createdAt, rowid`, bindings };
}

/** Oldest first. */
export function eventsWhere({ token, run, after, since, limit = 1000 }: EventFilter): Query {
  const conditions = [
    token && "token = @token",
    run && "run = @run",
    after !== undefined && "id > @after",
    since !== undefined && "time >= @since",
  ];
  const bindings = {
    ...(token && { token }),
    ...(run && { run }),
    ...(after !== undefined && { after }),
    ...(since !== undefined && { since }),
    limit,
  };
  const last = `SELECT * FROM events ${whereAll(conditions)} ORDER BY id DESC LIMIT @limit`;
  return { sql: `SELECT * FROM (${last}) ORDER BY id`, bindings };
}
