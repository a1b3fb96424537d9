import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";

import { present } from "./ci-world.ts";

interface FakeJob {
  status: string;
  success: boolean | null;
  start_time: string | null;
  end_time: string | null;
  lines: string[];
}

/** What one connection to a job's stream does, beside the plain thing. */
interface StreamFault {
  /** Break the connection after so many events. */
  cutAfter?: number;
  /** Say that it failed, while it waits or runs. */
  falseComplete?: boolean;
  /** Wait for ever after so many events, without a byte. */
  silentAfter?: number;
}

/**
 * The existing CI server as it is on the wire: no ids, no heartbeats, a replay from the start for whoever joins a
 * running job, `complete false` for one that still waits, server messages that end in a backslash and an n.
 */
export class FakeCiServer implements AsyncDisposable {
  readonly key = "ci_0123456789012345678901234567890123456789";
  readonly jobs = new Map<string, FakeJob>();
  readonly requests: string[] = [];
  /** Archives that arrived whole. */
  readonly uploads: Uint8Array[] = [];
  /** Consumed one a connection, first the submission's own stream. */
  readonly faults: StreamFault[] = [];
  /** What becomes of a submission: its lines and its end. */
  next: Omit<FakeJob, "start_time" | "end_time"> = { status: "completed", success: true, lines: ["one\n", "two\n"] };
  /** Take the next submission, make its job, and break the connection before the answer. */
  losesAnswer = false;
  /** Called before a job's state is told, and before its stream begins: what happens meanwhile. */
  onJobAsked = () => {};
  onStreamAsked = () => {};
  // Bun.serve cannot break a connection in the middle.
  readonly #server = createServer((request, response) => void this.#serve(request, response));

  static async start(): Promise<FakeCiServer> {
    const fake = new FakeCiServer();
    await new Promise<void>((resolve) => fake.#server.listen(0, "127.0.0.1", resolve));
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  add(job: Partial<FakeJob>, id = randomUUID() as string): string {
    const start_time = "2026-11-21T03:35:02.919541Z";
    this.jobs.set(id, { status: "completed", success: true, start_time, end_time: null, lines: [], ...job });
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
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
      for await (const piece of response.body ?? []) outgoing.write(piece);
      outgoing.end();
    } catch {
      outgoing.destroy();
    }
  }

  async #answer(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    this.requests.push(`${request.method} ${pathname}`);
    if (pathname === "/health") return Response.json({ status: "ok" });
    const authorization = request.headers.get("authorization");
    if (!authorization || authorization === "Bearer") return detail(403, "Not authenticated");
    if (!authorization.startsWith("Bearer ")) return detail(403, "Invalid authentication credentials");
    if (authorization !== `Bearer ${this.key}`) return detail(401, "Invalid or revoked API key");
    if (pathname === "/jobs") return Response.json([...this.jobs].map(([id, job]) => summary(id, job)));
    if (pathname === "/submit-stream" || pathname === "/submit-async") return await this.#submit(request, pathname);
    const [, id = "", rest] = /^\/jobs\/([^/]+)(\/stream)?$/.exec(pathname) ?? [];
    if (rest === undefined) this.onJobAsked();
    else this.onStreamAsked();
    const job = this.jobs.get(id);
    if (!job) return detail(404, id === "" ? "Not Found" : "Job not found");
    if (rest === undefined) return Response.json(summary(id, job));
    return this.#stream(job, { fromBeginning: searchParams.get("from_beginning") === "true" });
  }

  async #submit(request: Request, pathname: string): Promise<Response> {
    const file = (await request.formData()).get("file");
    if (!(file instanceof File)) {
      return Response.json(
        { detail: [{ type: "missing", loc: ["body", "file"], msg: "Field required", input: null }] },
        { status: 422 },
      );
    }
    this.uploads.push(await file.bytes());
    const id = this.add({ ...this.next, start_time: new Date().toISOString().replace("Z", "000Z") });
    const job = present(this.jobs.get(id));
    if (this.losesAnswer) {
      this.losesAnswer = false;
      return new Response(new ReadableStream({ start: (end) => end.error(new Error("cut")) }));
    }
    if (pathname === "/submit-async") return Response.json({ job_id: id });
    return this.#stream(job, { fromBeginning: true, id });
  }

  #stream(job: FakeJob, { fromBeginning, id }: { fromBeginning: boolean; id?: string }): Response {
    const fault = this.faults.shift() ?? {};
    const isOver = job.status === "completed";
    const events: object[] = [
      ...(id === undefined ? [] : [{ type: "job_id", job_id: id }]),
      ...(isOver && !fromBeginning
        ? [{ type: "log", data: "Job already completed.\\n" }]
        : job.lines.map((data) => ({ type: "log", data }))),
      { type: "complete", success: fault.falseComplete ? false : job.success ?? false },
    ];
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (sent === fault.silentAfter) return await new Promise(() => {});
        if (sent === fault.cutAfter) {
          // What was sent arrives first: a reader drops what it has not read when the connection breaks.
          await new Promise((resolve) => setTimeout(resolve, 5));
          return controller.error(new Error("cut"));
        }
        const event = events[sent++];
        if (event === undefined) return controller.close();
        controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`));
        await new Promise((resolve) => setImmediate(resolve));
      },
    }, { highWaterMark: 0 });
    return new Response(body, {
      headers: { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" },
    });
  }
}

function summary(id: string, { status, success, start_time, end_time }: FakeJob) {
  return { job_id: id, status, success, start_time, end_time };
}

function detail(status: number, text: string): Response {
  const headers: Record<string, string> = status === 401 ? { "www-authenticate": "Bearer" } : {};
  return Response.json({ detail: text }, { status, headers });
}
