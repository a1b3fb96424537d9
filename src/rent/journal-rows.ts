import { z } from "zod";
import type { GpuError } from "../errors.ts";
import type { Journal } from "./journal.ts";
import { adoptedRow, type Insert, intentRow } from "./journal-inserts.ts";
import * as moves from "./journal-moves.ts";
import { type EventFilter, eventsWhere, launchesWhere, type LaunchFilter } from "./journal-queries.ts";
import type { JournalSql } from "./journal-sql.ts";
import type { World } from "../world.ts";
import { type Adopted, EventRow, type Intent, Launch, type Owner, RunRow } from "./rows.ts";

const AgentToken = z.object({ agentToken: z.string().nullable() });

interface Opened {
  readonly sql: JournalSql;
  readonly problem: GpuError | undefined;
  readonly now: () => number;
  readonly trace?: World["trace"];
}

/** The journal in SQL. Times come from the world's clock. */
export class SqliteJournal implements Journal {
  readonly path: string;
  readonly problem: GpuError | undefined;
  readonly untold = new Set<string>();
  readonly #sql: JournalSql;
  readonly #now: () => number;
  readonly #trace: World["trace"];

  constructor({ sql, problem, now, trace }: Opened) {
    this.path = sql.path;
    this.problem = problem;
    this.#sql = sql;
    this.#now = now;
    this.#trace = trace;
  }

  checkFile(): void {
    this.#sql.checkFile();
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

  intend(intent: Intent, allow?: () => void): Launch {
    if (this.problem !== undefined) throw this.problem;
    const { token, run, type, region, provider } = intent;
    return this.#sql.commit(() => {
      allow?.();
      this.#insert(intentRow(intent, this.#now()));
      this.#say({ token, run, kind: "intended", text: `${type} in ${region} from ${provider}` });
      return this.#get(token);
    });
  }

  adopt(machine: Adopted, allow?: () => void): Launch {
    if (this.problem !== undefined) throw this.problem;
    const { token, run, instanceId } = machine;
    return this.#sql.commit(() => {
      allow?.();
      this.#insert(adoptedRow(machine, this.#now()));
      this.#say({ token, run, kind: "adopted", text: instanceId });
      return this.#get(token);
    });
  }

  markSent(token: string): Launch | undefined {
    return this.#move(token, moves.sent);
  }

  markLaunched(token: string, instanceId: string, at?: number): Launch | undefined {
    return this.#move(token, moves.launched(instanceId, at));
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
    return this.#move(token, moves.ready(owner));
  }

  handToLease(token: string, change: { leaseEndsAt?: number; why?: string } = {}): Launch | undefined {
    return this.#move(token, moves.handedToLease(change));
  }

  handToRun(token: string, run: string): Launch | undefined {
    return this.#sql.commit(() => {
      const launch = this.launch(token);
      if (launch?.owner !== "lease" || launch.readyAt === null) return undefined;
      return this.#change(token, moves.handedToRun(run));
    });
  }

  setLeaseEnd(token: string, leaseEndsAt: number): Launch | undefined {
    return this.#move(token, moves.leaseMoved(leaseEndsAt));
  }

  moveLeaseEnd(token: string, to: (launch: Launch) => number): Launch | undefined {
    return this.#sql.commit(() => {
      const launch = this.launch(token);
      return launch?.state === "LAUNCHED" ? this.#change(token, moves.leaseMoved(to(launch))) : undefined;
    });
  }

  rename(token: string, name: string): Launch | undefined {
    return this.#move(token, moves.renamed(name));
  }

  markStopping(token: string, why: string, instanceId?: string): Launch | undefined {
    return this.#sql.commit(() => {
      const absent = this.#change(token, moves.neverSent(why));
      if (absent !== undefined) return absent;
      this.#change(token, moves.stopping(why, instanceId));
      return this.launch(token);
    });
  }

  markStopped(token: string, why: string, at?: number): Launch | undefined {
    return this.#move(token, moves.stopped(why, at));
  }

  markAbsent(token: string, why: string): Launch | undefined {
    return this.#sql.commit(() => {
      // An id means that there was a machine, so its end is `STOPPED`.
      if (this.launch(token)?.instanceId != null) return undefined;
      return this.#change(token, moves.absent(why));
    });
  }

  forget(token: string, text: string): Launch | undefined {
    return this.#move(token, moves.forgotten(text));
  }

  launch(token: string): Launch | undefined {
    return this.#sql.all(Launch, "SELECT * FROM launches WHERE token = @token", { token })[0];
  }

  launches(filter: LaunchFilter = {}): Launch[] {
    const { sql, bindings } = launchesWhere(filter);
    return this.#sql.all(Launch, sql, bindings);
  }

  agentToken(token: string): string | undefined {
    const rows = this.#sql.all(AgentToken, "SELECT agentToken FROM launches WHERE token = @token", { token });
    return rows[0]?.agentToken ?? undefined;
  }

  note(event: { token?: string; run?: string; kind: string; text: string }): void {
    this.#sql.commit(() => this.#say(event));
  }

  events(filter: EventFilter = {}): EventRow[] {
    const { sql, bindings } = eventsWhere(filter);
    return this.#sql.all(EventRow, sql, bindings);
  }

  [Symbol.dispose](): void {
    this.#sql[Symbol.dispose]();
  }

  #insert({ sql, bindings }: Insert): void {
    this.#sql.run(sql, bindings);
  }

  #move(token: string, move: moves.Move): Launch | undefined {
    return this.#sql.commit(() => this.#change(token, move));
  }

  #change(token: string, { from, set, bindings, kind, text }: moves.Move): Launch | undefined {
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
    this.#trace?.(`${token === undefined ? `run ${run}` : `launch ${token}`}: ${kind}, ${text}`);
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
