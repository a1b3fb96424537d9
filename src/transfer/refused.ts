import { GpuError } from "../errors.ts";
import { SshError } from "../ssh/failure.ts";
import { type Bytes, folderOf, shown } from "./names.ts";

/** What could not be written or deleted while all else was. */
export interface Refused {
  /** Below the root; undefined where that is not known. */
  readonly path: Bytes | undefined;
  /** What could not be done to what, and why. */
  readonly message: string;
  readonly hint?: string;
}

/** All that was refused so far. */
export class Refusals {
  readonly #all: Refused[] = [];
  readonly #paths = new Set<Bytes>();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  get all(): readonly Refused[] {
    return this.#all;
  }

  add(refused: readonly Refused[]): void {
    for (const one of refused) {
      this.#all.push(one);
      if (one.path !== undefined) this.#paths.add(one.path);
    }
  }

  /** Does the work for one path, unless it is in what was refused; a lost connection and an abort alone are thrown. */
  async attempt(path: Bytes, work: () => Promise<void>): Promise<void> {
    if (this.includes(path)) return;
    try {
      await work();
    } catch (error) {
      if (this.#signal.aborted || !(error instanceof GpuError) || error instanceof SshError) throw error;
      this.add([{ path, message: error.message }]);
    }
  }

  /** Whether a path is one that was refused, or is in one: that may be a link. */
  includes(path: Bytes): boolean {
    for (let at = path; at !== "."; at = folderOf(at)) if (this.#paths.has(at)) return true;
    return false;
  }
}

/** A sync that left something out. All else is done. */
export class RefusedError extends GpuError {
  override name = "RefusedError";
}

/** So many names are told besides the first. */
const mostNames = 5;

/** Throws what a person has to know where anything was refused. */
export function throwRefused(refused: readonly Refused[]): void {
  const [first, ...others] = refused;
  if (first === undefined) return;
  const names = others.flatMap(({ path }) => path === undefined ? [] : [`\`${shown(path)}\``]).toSorted();
  const more = names.length > mostNames ? [`${names.length - mostNames} more`] : [];
  const rest = [...names.slice(0, mostNames), ...more].join(", ");
  throw new RefusedError(`${first.message}${rest === "" ? "" : `; nor ${rest}`}`, {
    hint: first.hint ?? "all else is done; the same command tries again what is missing",
  });
}
