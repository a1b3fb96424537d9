import type { HostExecution } from "../exec/execution.ts";
import { GpuError } from "../errors.ts";

/** What became of a command. That on one machine can be read from it directly; of several, from `hosts`. */
export interface Ran {
  /** It went well on all machines. */
  readonly ok: boolean;
  /** One for each machine, in the order in which they ended. */
  readonly hosts: readonly HostExecution[];
  /** Instance it ran on, or the address of the host. */
  readonly id: string;
  /** Its exit code; 128 and the signal's number where a signal ended it, 124 where its time was over. */
  readonly exitCode: number;
  /** Signal that ended it. */
  readonly signal: string | null;
  /** What it wrote there, whole. */
  readonly stdout: string;
  /** The same of stderr. */
  readonly stderr: string;
  /** Of stdout and stderr: base64 where they are not UTF-8. */
  readonly encoding: "utf8" | "base64";
  /** From its start to its end, in milliseconds. */
  readonly durationMs: number;
}

/** What a recipe gets. */
export function ranOf(hosts: readonly HostExecution[]): Ran {
  const [only, ...others] = hosts;
  if (only === undefined || others.length > 0) return new RanOnSeveral(hosts);
  const { id, exitCode, signal, stdout, stderr, encoding, durationMs, status } = only;
  const code = exitCode ?? (status === "timeout" ? 124 : 1);
  return { ok: status === "ok", hosts, id, exitCode: code, signal, stdout, stderr, encoding, durationMs };
}

/** Nothing of one machine is taken for that of all. The getters are the class's own, so JSON has only what there is. */
class RanOnSeveral implements Ran {
  readonly ok: boolean;
  readonly hosts: readonly HostExecution[];

  constructor(hosts: readonly HostExecution[]) {
    this.ok = hosts.every(({ status }) => status === "ok");
    this.hosts = hosts;
  }

  get id(): string {
    throw this.#several("id");
  }

  get exitCode(): number {
    throw this.#several("exitCode");
  }

  get signal(): string | null {
    throw this.#several("signal");
  }

  get stdout(): string {
    throw this.#several("stdout");
  }

  get stderr(): string {
    throw this.#several("stderr");
  }

  get encoding(): "utf8" | "base64" {
    throw this.#several("encoding");
  }

  get durationMs(): number {
    throw this.#several("durationMs");
  }

  #several(field: string): GpuError {
    return new GpuError(`it ran on ${this.hosts.length} machines, so there is not one \`${field}\``, {
      hint: "`.hosts` has what became of each, `.ok` whether all went well",
    });
  }
}
