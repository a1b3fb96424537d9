import { z } from "zod";
import type { GpuError } from "../errors.ts";
import type { Journal } from "./journal.ts";
import { type Bindings, type JournalSql, whereAll } from "./journal-sql.ts";
import { type Adopted, EventRow, type Intent, Launch, type LaunchState, type Owner, RunRow } from "./rows.ts";

interface Move {
  readonly from: readonly LaunchState[];
  /** SQL for what changes; `@now` and `bindings` may stand in it. */
  readonly set: string;
  readonly bindings?: Bindings;
  readonly kind: string;
  readonly text: string;
}

const AgentToken = z.object({ agentToken: z.string().nullable() });

/** The journal in SQL. Times come from the world's clock. */
export class SqliteJournal implements Journal {
  readonly path: string;
  readonly problem: GpuError | undefined;
  readonly #sql: JournalSql;
  readonly #now: () => number;

  constructor({ sql, problem, now }: { sql: JournalSql; problem: GpuError | undefined; now: () => number }) {
    this.path = sql.path;
    this.problem = problem;
    this.#sql = sql;
    this.#now = now;
  }

  startRun({ id, recipe }: { id: string; recipe: string | undefined }): void {
    this.#sql.commit(() => {
      const bindings = { id, recipe: recipe ?? null, now: this.#now() };
      this.#sql.run("INSERT INTO runs (id, recipe, startedAt) VALUES (@id, @recipe, @now)", bindings);
      this.#say({ run: id, kind: "run-started", text: recipe ?? "command line" });
    });
  }

  endRun({ id, exitCode }: { id: string; exitCode: number | undefined }): void {
    this.#sql.commit(() => {
      const bindings = { id, exitCode: exitCode ?? null, now: this.#now() };
      const changes = this.#sql.run(
        "UPDATE runs SET endedAt = @now, exitCode = @exitCode WHERE id = @id AND endedAt IS NULL",
        bindings,
      );
      if (changes === 0) return;
      this.#say({
        run: id,
        kind: "run-ended",
        text: exitCode === undefined ? "without an exit code" : `exit ${exitCode}`,
      });
    });
  }

  runs({ open = false }: { open?: boolean } = {}): RunRow[] {
    const where = open ? "WHERE endedAt IS NULL" : "";
    return this.#sql.all(RunRow, `SELECT * FROM runs ${where} ORDER BY startedAt DESC, rowid DESC`);
  }

  intend(intent: Intent): Launch {
    if (this.problem !== undefined) throw this.problem;
    const { token, run } = intent;
    return this.#sql.commit(() => {
      this.#sql.run(
        `INSERT INTO launches (token, run, owner, provider, account, profile, request, name, type, region, pricePerHour,
           state, hostPublicKey, agentToken, createdAt, leaseEndsAt)
         VALUES (@token, @run, 'run', @provider, @account, @profile, @request, @name, @type, @region, @pricePerHour,
           'INTENDED', @hostPublicKey, @agentToken, @now, @leaseEndsAt)`,
        {
          ...intent,
          account: intent.account ?? null,
          profile: intent.profile ?? null,
          name: intent.name ?? null,
          request: JSON.stringify(intent.request),
          now: this.#now(),
        },
      );
      this.#say({ token, run, kind: "intended", text: `${intent.type} in ${intent.region} from ${intent.provider}` });
      return this.#get(token);
    });
  }

  adopt({ at, ...machine }: Adopted): Launch {
    if (this.problem !== undefined) throw this.problem;
    const { token, run, instanceId } = machine;
    return this.#sql.commit(() => {
      this.#sql.run(
        `INSERT INTO launches (token, run, owner, provider, account, profile, request, name, type, region, pricePerHour,
           state, instanceId, host, port, user, hostPublicKey, createdAt, sentAt, launchedAt, seenAt, readyAt,
           leaseEndsAt, keepWhy)
         VALUES (@token, @run, 'lease', @provider, @account, @profile, @request, @name, @type, @region, @pricePerHour,
           'LAUNCHED', @instanceId, @host, @port, @user, @hostPublicKey, @now, @now, @now, @now, @readyAt,
           @leaseEndsAt, 'adopted')`,
        {
          ...machine,
          account: machine.account ?? null,
          profile: machine.profile ?? null,
          name: machine.name ?? null,
          request: JSON.stringify(machine.request),
          host: at?.host ?? null,
          port: at?.port ?? null,
          user: at?.user ?? null,
          readyAt: machine.hostPublicKey === "" ? null : this.#now(),
          now: this.#now(),
        },
      );
      this.#say({ token, run, kind: "adopted", text: instanceId });
      return this.#get(token);
    });
  }

  markSent(token: string): Launch | undefined {
    const set = "state = 'SENT', sentAt = @now";
    return this.#move(token, { from: ["INTENDED"], set, kind: "sent", text: "asked for a machine" });
  }

  markLaunched(token: string, instanceId: string): Launch | undefined {
    // A slow answer may come after somebody else found this very machine and stopped it.
    const isGone = "state = 'STOPPED' AND instanceId = @instanceId";
    const set = `state = CASE WHEN state = 'SENT' THEN 'LAUNCHED' WHEN ${isGone} THEN state ELSE 'STOPPING' END,
      stoppedAt = CASE WHEN ${isGone} THEN stoppedAt END,
      instanceId = @instanceId, launchedAt = coalesce(launchedAt, @now)`;
    const from = ["SENT", "STOPPING", "ABSENT", "STOPPED"] as const;
    return this.#move(token, { from, set, bindings: { instanceId }, kind: "launched", text: instanceId });
  }

  markSeen(token: string, at?: { host: string; port: number; user: string }): void {
    const known = this.launch(token);
    if (known === undefined) return;
    const isNews = known.seenAt === null ||
      (at !== undefined && (known.host !== at.host || known.port !== at.port || known.user !== at.user));
    // Asked every few seconds; only news is worth a flush to the disk.
    if (!isNews) return;
    this.#sql.commit(() =>
      this.#sql.run(
        `UPDATE launches SET seenAt = coalesce(seenAt, @now), host = coalesce(@host, host),
           port = coalesce(@port, port), user = coalesce(@user, user) WHERE token = @token`,
        { token, now: this.#now(), host: at?.host ?? null, port: at?.port ?? null, user: at?.user ?? null },
      )
    );
  }

  markReady(token: string, owner: Owner): Launch | undefined {
    const set = "readyAt = coalesce(readyAt, @now), seenAt = coalesce(seenAt, @now), owner = @owner";
    return this.#move(token, {
      from: ["LAUNCHED"],
      set,
      bindings: { owner },
      kind: "ready",
      text: `kept by its ${owner}`,
    });
  }

  handToLease(token: string, change: { leaseEndsAt?: number; why?: string } = {}): Launch | undefined {
    const set = `owner = 'lease', leaseEndsAt = coalesce(@leaseEndsAt, leaseEndsAt), keepWhy = coalesce(@why, keepWhy)`;
    const bindings = { leaseEndsAt: change.leaseEndsAt ?? null, why: change.why ?? null };
    return this.#move(token, {
      from: ["LAUNCHED"],
      set,
      bindings,
      kind: "kept",
      text: change.why ?? "kept by its lease",
    });
  }

  setLeaseEnd(token: string, leaseEndsAt: number): Launch | undefined {
    const text = new Date(leaseEndsAt).toISOString();
    const set = "leaseEndsAt = @leaseEndsAt";
    return this.#move(token, { from: ["LAUNCHED"], set, bindings: { leaseEndsAt }, kind: "lease-moved", text });
  }

  rename(token: string, name: string): Launch | undefined {
    return this.#move(token, {
      from: ["LAUNCHED"],
      set: "name = @name",
      bindings: { name },
      kind: "renamed",
      text: name,
    });
  }

  markStopping(token: string, why: string, instanceId?: string): Launch | undefined {
    return this.#sql.commit(() => {
      const neverSent = "state = 'ABSENT', stoppedAt = @now, endWhy = @why, agentToken = NULL";
      const absent = this.#change(token, {
        from: ["INTENDED"],
        set: neverSent,
        bindings: { why },
        kind: "absent",
        text: why,
      });
      if (absent !== undefined) return absent;
      const from = instanceId === undefined
        ? ["SENT", "LAUNCHED"] as const
        : ["SENT", "LAUNCHED", "ABSENT", "STOPPED"] as const;
      const set = `state = 'STOPPING', stoppingAt = coalesce(stoppingAt, @now), endWhy = coalesce(endWhy, @why),
        instanceId = coalesce(instanceId, @instanceId), stoppedAt = NULL`;
      const bindings = { why, instanceId: instanceId ?? null };
      this.#change(token, { from, set, bindings, kind: "stopping", text: why });
      return this.launch(token);
    });
  }

  markStopped(token: string, why: string): Launch | undefined {
    const set = "state = 'STOPPED', stoppedAt = @now, endWhy = coalesce(endWhy, @why), agentToken = NULL";
    return this.#move(token, { from: ["LAUNCHED", "STOPPING"], set, bindings: { why }, kind: "stopped", text: why });
  }

  markAbsent(token: string, why: string): Launch | undefined {
    return this.#sql.commit(() => {
      // An id means that there was a machine, so its end is `STOPPED`.
      if (this.launch(token)?.instanceId != null) return undefined;
      const set = "state = 'ABSENT', stoppedAt = @now, endWhy = coalesce(endWhy, @why), agentToken = NULL";
      const from = ["INTENDED", "SENT", "STOPPING"] as const;
      return this.#change(token, { from, set, bindings: { why }, kind: "absent", text: why });
    });
  }

  launch(token: string): Launch | undefined {
    return this.#sql.all(Launch, "SELECT * FROM launches WHERE token = @token", { token })[0];
  }

  launches(filter: { open?: boolean; endedSince?: number; run?: string; provider?: string } = {}): Launch[] {
    const { open, endedSince, run, provider } = filter;
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
    return this.#sql.all(Launch, `SELECT * FROM launches ${whereAll(conditions)} ORDER BY createdAt, rowid`, bindings);
  }

  agentToken(token: string): string | undefined {
    const rows = this.#sql.all(AgentToken, "SELECT agentToken FROM launches WHERE token = @token", { token });
    return rows[0]?.agentToken ?? undefined;
  }

  note(event: { token?: string; run?: string; kind: string; text: string }): void {
    this.#sql.commit(() => this.#say(event));
  }

  events(
    filter: { token?: string; run?: string; after?: number; since?: number; limit?: number } = {},
  ): EventRow[] {
    const { token, run, after, since, limit = 1000 } = filter;
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
    return this.#sql.all(EventRow, `SELECT * FROM (${last}) ORDER BY id`, bindings);
  }

  [Symbol.dispose](): void {
    this.#sql[Symbol.dispose]();
  }

  #move(token: string, move: Move): Launch | undefined {
    return this.#sql.commit(() => this.#change(token, move));
  }

  #change(token: string, { from, set, bindings, kind, text }: Move): Launch | undefined {
    const states = from.map((state) => `'${state}'`).join(", ");
    const changes = this.#sql.run(`UPDATE launches SET ${set} WHERE token = @token AND state IN (${states})`, {
      ...bindings,
      token,
      ...(set.includes("@now") && { now: this.#now() }),
    });
    if (changes === 0) return undefined;
    const launch = this.#get(token);
    this.#say({ token, run: launch.run, kind, text });
    return launch;
  }

  #say({ token, run, kind, text }: { token?: string; run?: string; kind: string; text: string }): void {
    const bindings = { now: this.#now(), token: token ?? null, run: run ?? null, kind, text };
    this.#sql.run(
      "INSERT INTO events (time, token, run, kind, text) VALUES (@now, @token, @run, @kind, @text)",
      bindings,
    );
  }

  #get(token: string): Launch {
    const launch = this.launch(token);
    if (launch === undefined) throw new Error(`no launch ${token} in the journal`);
    return launch;
  }
}
