import type { World } from "../world.ts";

/** Where the servers of a model and of its workflows say how much they did. */
export interface ModelUrls {
  readonly sglang: string;
  readonly n8n: string;
}

/** Where they are on a machine of one's own. */
export const usualModelUrls: ModelUrls = {
  sglang: "http://127.0.0.1:30000/metrics",
  n8n: "http://127.0.0.1:5678/metrics",
};

/** What is known of one server. Times are milliseconds since 1970. */
export interface ModelServer {
  readonly isHealthy: boolean;
  /** What it has done since it began: tokens, or executions. */
  readonly total: number;
  readonly lastActivityMs: number | undefined;
}

const unknown: ModelServer = { isHealthy: false, total: 0, lastActivityMs: undefined };
const timeoutMs = 2_000;

/** Watches model servers by their metrics: one that answers requests is in use, whatever its GPU shows at a moment. */
export class Models {
  readonly #world: World;
  readonly #urls: ModelUrls | undefined;
  sglang = unknown;
  n8n = unknown;

  /** Without addresses it watches nothing: where machines share a loopback, a port says nothing. */
  constructor(world: World, urls: ModelUrls | undefined) {
    this.#world = world;
    this.#urls = urls;
  }

  /** When one of them was last seen at work. */
  get lastActivityMs(): number | undefined {
    const times = [this.sglang.lastActivityMs, this.n8n.lastActivityMs].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.max(...times);
  }

  async look(): Promise<void> {
    const urls = this.#urls;
    if (urls === undefined) return;
    const [sglang, n8n] = await Promise.all([this.#metrics(urls.sglang), this.#metrics(urls.n8n)]);
    const now = this.#world.clock.now();
    const isServing = (sumOf(sglang, "sglang:num_running_reqs") ?? 0) > 0;
    this.sglang = next(this.sglang, { total: sumOf(sglang, "sglang:generation_tokens_total"), isServing, now });
    this.n8n = next(this.n8n, { total: sumOf(n8n, "n8n_workflow_executions_total"), isServing: false, now });
  }

  async #metrics(url: string): Promise<string> {
    const late = new AbortController();
    const over = new AbortController();
    this.#world.clock.sleep(timeoutMs, over.signal).then(() => late.abort(), () => {});
    try {
      const response = await this.#world.fetch(url, { signal: late.signal });
      return response.ok ? await response.text() : "";
    } catch {
      return ""; // Nobody is there, which is the usual case.
    } finally {
      over.abort();
    }
  }
}

function next(
  before: ModelServer,
  { total, isServing, now }: { total: number | undefined; isServing: boolean; now: number },
): ModelServer {
  if (total === undefined) return { ...before, isHealthy: false };
  // A server that began again counts from 0: a smaller total is activity too. The first look only learns.
  const isActive = isServing || (before.isHealthy && total !== before.total);
  return { isHealthy: true, total, lastActivityMs: isActive ? now : before.lastActivityMs };
}

/** The sum of a metric over all its labels; `undefined` where it is not there. */
export function sumOf(metrics: string, name: string): number | undefined {
  const values = metrics.split("\n").flatMap((line) => {
    if (!line.startsWith(name) || !/^[{ \t]/.test(line.slice(name.length))) return [];
    const value = Number(/^[^{\s]+(?:\{.*\})?\s+(\S+)/.exec(line)?.[1]);
    return Number.isFinite(value) ? [value] : [];
  });
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0);
}
