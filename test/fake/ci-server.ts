import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";

export interface FakeJob {
  status: string;
  success: boolean | null;
  start_time: string | null;
  end_time: string | null;
  /** What its container has said. `\udcff` stands for a byte that is not UTF-8. */
  lines: string[];
  /** Its container runs and may say more; see `say` and `end`. */
  isLive?: boolean;
  /** Another user's. */
  isForeign?: boolean;
}

/** What one connection to a job's stream does, beside the plain thing. */
interface StreamFault {
  /** Break the connection after so many events. */
  cutAfter?: number;
  /** Say that it failed, while it waits or runs. */
  falseComplete?: boolean;
  /** Wait for ever after so many events, without a byte. */
  silentAfter?: number;
  /** End the answer in order after so many events, as a proxy does that closes idle streams. */
  closeAfter?: number;
}

/** As measured: a queued job's stream is given up after 30 + 15 s, an end that is not recorded after 15 s. */
const patience = { queuedMs: 45_000, unrecordedMs: 15_000 };
/** asyncio's limit of a line: 64 KiB. */
const longestLine = 64 * 1024;

/**
 * The existing CI server as it is on the wire: no ids, no heartbeats, a replay from the start for whoever joins a
 * running job, `complete false` for one that still waits, logs that end at a long line or a wrong byte, server messages
 * that end in a backslash and an n. Jobs live on when their readers go, and when it `restarts`.
 */
export class FakeCiServer implements AsyncDisposable {
  readonly key = "ci_0123456789012345678901234567890123456789";
  /** The key of a user who was deactivated. */
  readonly inactiveKey = "ci_9999999999999999999999999999999999999999";
  readonly jobs = new Map<string, FakeJob>();
  readonly requests: string[] = [];
  /** Archives that arrived whole. */
  readonly uploads: Uint8Array[] = [];
  /** The fields beside the archive, of each submission. */
  readonly fields: Record<string, string>[] = [];
  /** Consumed one a connection, first the submission's own stream. */
  readonly faults: StreamFault[] = [];
  /** What becomes of a submission: its lines and its end. */
  next: Omit<FakeJob, "start_time" | "end_time"> & { start_time?: null } = {
    status: "completed",
    success: true,
    lines: ["one\n", "two\n"],
  };
  /** Take the next submission, make its job, and break the connection before the answer. */
  losesAnswer = false;
  /** How fast its clock goes: 1000 makes 45 s of patience 45 ms. */
  haste = 1;
  /** Called before a job's state is told, and before its stream begins: what happens meanwhile. */
  onJobAsked = () => {};
  onStreamAsked = () => {};
  #changed = Promise.withResolvers<void>();
  #port = 0;
  #server = this.#newServer();

  static async start(): Promise<FakeCiServer> {
    const fake = new FakeCiServer();
    await fake.#listen();
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  add(job: Partial<FakeJob>, id = randomUUID() as string): string {
    const start_time = "2026-11-21T03:35:02.919541Z";
    this.jobs.set(id, { status: "completed", success: true, start_time, end_time: null, lines: [], ...job });
    return id;
  }

  /** The job's container says more. */
  say(id: string, ...lines: string[]): void {
    for (const line of lines) this.jobs.get(id)?.lines.push(line);
    this.#wake();
  }

  /** Something else about a job changes. */
  change(id: string, change: Partial<FakeJob>): void {
    Object.assign(this.jobs.get(id) ?? {}, change);
    this.#wake();
  }

  /** The job's container ends, and that is recorded. `failed` would be overwritten at once, so it is never seen. */
  end(id: string, success: boolean): void {
    this.change(id, { isLive: false, status: "completed", success, end_time: "2026-11-21T03:36:02.000001Z" });
  }

  /** All connections break. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  /** It is away for a while, then there again at the same address. */
  async restart(awayMs: number): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    this.#server = this.#newServer();
    await this.#listen();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
    this.#wake();
  }

  // Bun.serve cannot break a connection in the middle.
  #newServer() {
    return createServer((request, response) => void this.#serve(request, response));
  }

  async #listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    try {
      const response = await this.#answer(
        new Request(`http://fake${incoming.url}`, {
          method: incoming.method,
          headers: incoming.headers as Record<string, string>,
          ...(incoming.method === "POST" ? { body: Readable.toWeb(incoming) as never, duplex: "half" } : {}),
        }),
      );
      outgoing.writeHead(response.status, Object.fromEntries(response.headers));
      outgoing.flushHeaders();
      const reader = response.body?.getReader();
      outgoing.once("close", () => void reader?.cancel().catch(() => {}));
      for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
        if (outgoing.destroyed) return;
        if (!outgoing.write(next.value)) {
          await new Promise<void>((resolve) => outgoing.once("drain", resolve).once("close", resolve));
        }
      }
      outgoing.end();
    } catch {
      outgoing.destroy();
    }
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    this.requests.push(`${request.method} ${pathname}`);
    const [, id, rest] = /^\/jobs\/([^/]+)(\/stream)?$/.exec(pathname) ?? [];
    const isSubmit = ["/submit", "/submit-stream", "/submit-async"].includes(pathname);
    if (pathname !== "/health" && pathname !== "/jobs" && !isSubmit && id === undefined) {
      return detail(404, "Not Found");
    }
    if (request.method !== (isSubmit ? "POST" : "GET")) return detail(405, "Method Not Allowed");
    if (pathname === "/health") return Response.json({ status: "ok" });
    const refusal = this.#refuse(request.headers.get("authorization"));
    if (refusal) return refusal;
    if (isSubmit) return await this.#submit(request, pathname);
    if (id === undefined) return Response.json(this.#list());
    if (rest === undefined) this.onJobAsked();
    else this.onStreamAsked();
    const from = (searchParams.get("from_beginning") ?? "false").toLowerCase();
    if (rest !== undefined && !/^(true|false|1|0|on|off|yes|no|t|f|y|n)$/.test(from)) {
      return invalid({
        type: "bool_parsing",
        loc: ["query", "from_beginning"],
        msg: "Input should be a valid boolean, unable to interpret input",
        input: from,
      });
    }
    const job = this.jobs.get(id);
    if (!job) return detail(404, "Job not found");
    if (job.isForeign) return detail(403, "Access denied");
    if (rest === undefined) return Response.json(summary(id, job));
    return this.#stream(job, { fromBeginning: /^(true|1|on|yes|t|y)$/.test(from) });
  }

  #refuse(authorization: string | null): Response | undefined {
    if (!authorization || /^bearer\s*$/i.test(authorization)) return detail(403, "Not authenticated");
    if (!/^bearer /i.test(authorization)) return detail(403, "Invalid authentication credentials");
    const key = authorization.slice("bearer ".length);
    if (key === this.inactiveKey) return detail(401, "User not found or inactive");
    return key === this.key ? undefined : detail(401, "Invalid or revoked API key");
  }

  /** Newest first, and what never began last. It knows no filter. */
  #list(): object[] {
    const rank = ({ start_time }: FakeJob) => (start_time === null ? "" : start_time);
    return [...this.jobs].filter(([, job]) => !job.isForeign)
      .toSorted(([, one], [, other]) => rank(one) < rank(other) ? 1 : rank(one) > rank(other) ? -1 : 0)
      .map(([id, job]) => summary(id, job));
  }

  async #submit(request: Request, pathname: string): Promise<Response> {
    const form = await request.formData();
    const file = form.get("file");
    if (!(file instanceof File)) {
      return invalid({ type: "missing", loc: ["body", "file"], msg: "Field required", input: null });
    }
    this.uploads.push(await file.bytes());
    this.fields.push(
      Object.fromEntries([...form].flatMap(([name, value]) => typeof value === "string" ? [[name, value]] : [])),
    );
    const id = this.add({ start_time: new Date().toISOString().replace("Z", "000Z"), ...this.next });
    const job = this.jobs.get(id) as FakeJob;
    if (this.losesAnswer) {
      this.losesAnswer = false;
      return new Response(new ReadableStream({ start: (end) => end.error(new Error("cut")) }));
    }
    if (pathname === "/submit-async") return Response.json({ job_id: id });
    // The oldest path does not name its job.
    return this.#stream(job, { fromBeginning: true, id: pathname === "/submit" ? undefined : id });
  }

  #stream(job: FakeJob, { fromBeginning, id }: { fromBeginning: boolean; id?: string }): Response {
    const fault = this.faults.shift() ?? {};
    const gone = new AbortController();
    const events = this.#events(job, { fromBeginning, id, falseComplete: fault.falseComplete, signal: gone.signal });
    const encoder = new TextEncoder();
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (sent === fault.silentAfter) return await new Promise(() => {});
        if (sent === fault.closeAfter) return controller.close();
        if (sent === fault.cutAfter) {
          // What was sent arrives first: a reader drops what it has not read when the connection breaks.
          await new Promise((resolve) => setTimeout(resolve, 5));
          return controller.error(new Error("cut"));
        }
        const next = await events.next();
        if (next.done) return controller.close();
        sent++;
        controller.enqueue(encoder.encode(`data: ${asciiJson(next.value)}\n\n`));
        // Of a long log many events go out together.
        if (sent % 64 === 0 || job.lines.length < 64) await new Promise((resolve) => setImmediate(resolve));
      },
      cancel: () => gone.abort(),
    }, { highWaterMark: 0 });
    return new Response(body, {
      headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
    });
  }

  async *#events(
    job: FakeJob,
    { fromBeginning, id, falseComplete, signal }: {
      fromBeginning: boolean;
      id: string | undefined;
      falseComplete: boolean | undefined;
      signal: AbortSignal;
    },
  ): AsyncGenerator<object> {
    const complete = (success: boolean) => ({ type: "complete", success });
    if (id !== undefined) yield { type: "job_id", job_id: id };
    if (job.status === "completed" && !fromBeginning) {
      yield { type: "log", data: "Job already completed.\\n" };
      return yield complete(falseComplete ? false : job.success ?? false);
    }
    if (falseComplete && job.status === "queued") return yield complete(false);
    if (!await this.#until(() => job.status !== "queued", patience.queuedMs, signal)) return yield complete(false);
    for (let at = 0;;) {
      const line = job.lines[at++];
      if (line === undefined) {
        if (!job.isLive) break;
        at--;
        await this.#until(() => !job.isLive || job.lines.length > at, Infinity, signal);
        if (signal.aborted) return;
        continue;
      }
      const why = line.length > longestLine
        ? "Separator is found, but chunk is longer than limit"
        : line.includes("\udcff")
        ? "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"
        : undefined;
      yield { type: "log", data: why === undefined ? line : `Error streaming logs: ${why}\\n` };
      // The end that follows is the true one.
      if (why !== undefined) break;
    }
    const isRecorded = await this.#until(() => job.success !== null, patience.unrecordedMs, signal);
    yield complete(falseComplete || !isRecorded ? false : job.success ?? false);
  }

  /** Waits for something by its own clock; false when that is not so in time. */
  async #until(isSo: () => boolean, ms: number, signal: AbortSignal): Promise<boolean> {
    let isLate = false;
    const timer = ms === Infinity ? undefined : setTimeout(() => {
      isLate = true;
      this.#wake();
    }, ms / this.haste);
    const onAbort = () => this.#wake();
    signal.addEventListener("abort", onAbort);
    while (!isSo() && !isLate && !signal.aborted) await this.#changed.promise;
    signal.removeEventListener("abort", onAbort);
    clearTimeout(timer);
    return isSo();
  }
}

function summary(id: string, { status, success, start_time, end_time }: FakeJob) {
  return { job_id: id, status, success, start_time, end_time };
}

/** Python's `json.dumps`: nothing but ASCII. */
function asciiJson(event: object): string {
  return JSON.stringify(event).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function invalid(issue: object): Response {
  return Response.json({ detail: [issue] }, { status: 422 });
}

function detail(status: number, text: string): Response {
  const headers: Record<string, string> = status === 401 ? { "www-authenticate": "Bearer" } : {};
  return Response.json({ detail: text }, { status, headers });
}
