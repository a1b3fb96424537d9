import type { Clock } from "../../src/world.ts";

interface FakeStatusDaemonOptions {
  readonly clock: Clock;
  /** `first` has neither /health nor /shutdown, nor the later keys of /status. */
  readonly version?: "first" | "later";
  readonly token?: string;
  /** Of the whole life, in hours; the first lease is `leaseHours`. */
  readonly maxLeaseHours?: number;
  readonly leaseHours?: number;
  /** -1 is unknown, as with MIG. */
  readonly gpuUtilization?: number;
  /** It cannot find its own instance, so each /status takes 20 seconds. */
  readonly isLost?: boolean;
  /** A Unix socket to listen on instead of a port. */
  readonly socket?: string;
}

const hourMs = 3_600_000;

/**
 * The existing status daemon as it is on the wire, with what is odd about it: /extend reads a form and silently takes
 * 2 hours for anything else, caps each call on its own, and answers 200 with nothing or less than nothing.
 */
export class FakeStatusDaemon implements AsyncDisposable {
  readonly token: string;
  /** Method, path and content type of each request. */
  readonly requests: string[] = [];
  readonly bootedMs: number;
  shutdownMs: number;
  lastActivityMs: number | undefined;
  /** What /shutdown was told; `undefined`: it was not called. */
  shutdownReason: string | undefined;
  gpuUtilization: number;
  isLost: boolean;
  readonly #options: FakeStatusDaemonOptions;
  readonly #server: ReturnType<typeof Bun.serve>;

  constructor(options: FakeStatusDaemonOptions) {
    const { clock, token = "status-token", leaseHours = 4, gpuUtilization = 0, isLost = false, socket } = options;
    this.#options = options;
    this.token = token;
    this.gpuUtilization = gpuUtilization;
    this.isLost = isLost;
    this.bootedMs = clock.now();
    this.shutdownMs = this.bootedMs + leaseHours * hourMs;
    const fetch = (request: Request) => this.#answer(request);
    this.#server = socket === undefined
      ? Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch })
      : Bun.serve({ unix: socket, fetch });
  }

  /** `http://127.0.0.1:PORT`. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  get port(): number {
    return this.#server.port ?? 0;
  }

  async [Symbol.asyncDispose]() {
    await this.#server.stop(true);
  }

  async #answer(request: Request): Promise<Response> {
    const url = new URL(request.url);
    this.requests.push(`${request.method} ${url.pathname} ${request.headers.get("content-type") ?? ""}`.trimEnd());
    const isLater = (this.#options.version ?? "later") === "later";
    const routes: Readonly<Record<string, readonly [string, () => Response | Promise<Response>]>> = {
      "/": ["GET", () => this.#page(request, url)],
      "/status": ["GET", () => this.#status(request, isLater)],
      "/extend": ["POST", () => this.#extend(request)],
      "/activity": ["POST", () => this.#activity(request)],
      ...(isLater
        ? {
          "/health": ["GET", () => Response.json({ status: "healthy" })],
          "/shutdown": ["POST", () => this.#shutdown(request)],
        }
        : {}),
    };
    const [method, answer] = routes[url.pathname] ?? [];
    if (answer === undefined) return flaskPage(404, "Not Found");
    return method === request.method ? await answer() : flaskPage(405, "Method Not Allowed");
  }

  #isKnown(request: Request): boolean {
    return request.headers.get("authorization") === `Bearer ${this.token}`;
  }

  async #status(request: Request, isLater: boolean): Promise<Response> {
    if (!this.#isKnown(request)) return unauthorized();
    const { clock } = this.#options;
    // Five look-ups of its own address and instance, with pauses of 2, 4, 6 and 8 seconds; the failure is not remembered.
    if (this.isLost) await clock.sleep(20_000);
    const now = clock.now();
    const idleMs = now - (this.lastActivityMs ?? this.bootedMs);
    return Response.json({
      instance_id: this.isLost ? "unknown" : "0920582c7ff041399e34823a0be62549",
      status: "healthy",
      uptime_minutes: minutes(now - this.bootedMs),
      idle_minutes: minutes(idleMs),
      shutdown_at: isoformat(this.shutdownMs),
      shutdown_in_minutes: minutes(this.shutdownMs - now),
      model_loaded: "not-loaded",
      gpu_utilization: this.gpuUtilization,
      boot_time: isoformat(this.bootedMs),
      ...(isLater
        ? {
          last_sglang_activity: null,
          last_n8n_activity: null,
          sglang_tokens_total: 0,
          n8n_executions_total: 0,
          sglang_metrics_healthy: false,
          n8n_metrics_healthy: false,
          idle_seconds: this.lastActivityMs === undefined ? null : Math.floor(idleMs / 1000),
          idle_timeout_minutes: 30.5,
        }
        : {}),
    });
  }

  async #extend(request: Request): Promise<Response> {
    const isForm = request.headers.get("content-type")?.startsWith("application/x-www-form-urlencoded");
    // A body of another type is not looked at.
    const form = new URLSearchParams(isForm ? await request.text() : "");
    if (!this.#isKnown(request) && form.get("token") !== this.token) return unauthorized();
    const asked = form.get("hours") ?? "2";
    if (!/^\s*[+-]?\d+\s*$/.test(asked)) return flaskPage(500, "Internal Server Error");
    // Never 0: some of its life was over before it could answer.
    const uptimeHours = Math.max(1, this.#options.clock.now() - this.bootedMs) / hourMs;
    const left = Math.trunc((this.#options.maxLeaseHours ?? 8) - uptimeHours);
    const hours = Math.min(Number(asked), left);
    if (hours > 0) this.shutdownMs += hours * hourMs;
    return Response.json({ extended_by_hours: hours, new_shutdown_at: isoformat(this.shutdownMs) });
  }

  #activity(request: Request): Response {
    if (!this.#isKnown(request)) return unauthorized();
    this.lastActivityMs = this.#options.clock.now();
    return Response.json({ last_activity: isoformat(this.lastActivityMs) });
  }

  async #shutdown(request: Request): Promise<Response> {
    if (!this.#isKnown(request)) return unauthorized();
    const body: unknown = await request.json().catch(() => ({}));
    const reason = typeof body === "object" && body !== null && "reason" in body ? body.reason : undefined;
    this.shutdownReason = typeof reason === "string" ? reason : "";
    return Response.json({ status: "terminating" });
  }

  #page(request: Request, url: URL): Response {
    const isKnown = this.#isKnown(request) || url.searchParams.get("token") === this.token;
    if (!isKnown) return new Response("Unauthorized", { status: 401, headers: html });
    return new Response("<!doctype html>\n<title>GPU session</title>\n", { headers: html });
  }
}

const html = { "content-type": "text/html; charset=utf-8" };

function unauthorized(): Response {
  return Response.json({ error: "unauthorized" }, { status: 401 });
}

function flaskPage(status: number, title: string): Response {
  const text = `<!doctype html>\n<html lang=en>\n<title>${status} ${title}</title>\n<h1>${title}</h1>\n`;
  return new Response(text, { status, headers: html });
}

/** Python's: no fraction where it is zero, else six digits. */
function isoformat(time: number): string {
  return new Date(time).toISOString().replace(/\.(\d{3})Z$/, (_, ms: string) => ms === "000" ? "Z" : `.${ms}000Z`);
}

function minutes(ms: number): number {
  return Math.trunc(ms / 60_000);
}
