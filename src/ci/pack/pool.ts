import { pack, type PackDone, type PackTask } from "./batch.ts";

/** What a worker says: that it is there, or what became of a task, with the memory of a piece that it was lent. */
export type PackAnswer =
  | { readonly kind: "ready" }
  | { readonly kind: "done"; readonly number: number; readonly done: PackDone; readonly lent?: ArrayBuffer }
  | { readonly kind: "failed"; readonly number: number; readonly message: string };

interface Open {
  readonly task: PackTask;
  resolve(done: PackDone): void;
  reject(error: Error): void;
}

/** More would only wait for the disk and take memory. */
const maxThreads = 4;
/** So a worker never waits for the next one. */
const tasksEach = 2;

/** Workers that pack, started with the first task, and this thread beside them: alone where no worker can be had. */
export class PackPool implements Disposable {
  /** Workers beside this thread; 0 where none can be had. */
  #count: number;
  readonly #workers: Worker[] = [];
  /** Those that are there, as often as they may take another task. */
  readonly #free: Worker[] = [];
  readonly #waiting: Open[] = [];
  readonly #open = new Map<number, Open>();
  readonly #spare: ArrayBuffer[] = [];
  #number = 0;
  #isAtWork = false;

  /** `threads`, this one among them. */
  constructor({ threads = Math.min(navigator.hardwareConcurrency || 1, maxThreads) }: { threads?: number } = {}) {
    this.#count = Math.max(0, threads - 1);
  }

  /** How many tasks are worth giving at a time. */
  get width(): number {
    return 1 + this.#count * tasksEach;
  }

  /** Memory for a piece. The pool takes it with the task, and hands it out again. */
  lend(length: number): Uint8Array<ArrayBuffer> {
    const index = this.#spare.findIndex(({ byteLength }) => byteLength >= length);
    const [spare] = index < 0 ? [] : this.#spare.splice(index, 1);
    return new Uint8Array(spare ?? new ArrayBuffer(length), 0, length);
  }

  run(task: PackTask): Promise<PackDone> {
    const { promise, resolve, reject } = Promise.withResolvers<PackDone>();
    promise.catch(() => {}); // It is met where it is awaited, which may be later.
    this.#waiting.push({ task, resolve, reject });
    while (this.#workers.length < this.#count) this.#start();
    this.#hand();
    return promise;
  }

  /** Gives what waits to who is free. */
  #hand(): void {
    while (this.#waiting.length > 0 && this.#free.length > 0) {
      const worker = this.#free.shift();
      const open = this.#waiting.shift();
      if (worker === undefined || open === undefined) return;
      const number = ++this.#number;
      this.#open.set(number, open);
      worker.postMessage({ number, task: open.task }, open.task.kind === "piece" ? [open.task.content.buffer] : []);
    }
    this.#workHere();
  }

  /** Takes what is left, in turns of their own: signals are heard, and workers served, between two tasks. */
  #workHere(): void {
    if (this.#isAtWork || this.#waiting.length === 0) return;
    this.#isAtWork = true;
    setImmediate(() => {
      this.#isAtWork = false;
      const open = this.#waiting.shift();
      if (open === undefined) return;
      const { task, resolve, reject } = open;
      try {
        resolve(pack(task));
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
      if (task.kind === "piece") this.#spare.push(task.content.buffer);
      this.#workHere();
    });
  }

  #start(): void {
    const worker = new Worker(workerUrl(), { smol: true });
    let isThere = false;
    worker.onmessage = ({ data }: MessageEvent<PackAnswer>) => {
      if (data.kind === "ready") {
        isThere = true;
        for (let count = 0; count < tasksEach; count++) this.#free.push(worker);
      } else {
        this.#free.push(worker);
        this.#answered(data);
      }
      this.#hand();
    };
    worker.onerror = (event) => {
      event.preventDefault();
      // One that never came has nothing yet; all it could be given is done here.
      this.#count = 0;
      if (isThere) this.#giveUp(event.message);
      else this.#hand();
    };
    this.#workers.push(worker);
  }

  #answered(answer: Exclude<PackAnswer, { kind: "ready" }>): void {
    const open = this.#open.get(answer.number);
    this.#open.delete(answer.number);
    if (answer.kind === "failed") return open?.reject(new Error(answer.message));
    if (answer.lent) this.#spare.push(answer.lent);
    open?.resolve(answer.done);
  }

  #giveUp(why: string): void {
    for (const { reject } of [...this.#open.values(), ...this.#waiting.splice(0)]) reject(new Error(why));
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers.splice(0)) worker.terminate();
    this.#giveUp("packing was given up");
  }
}

/** In the compiled executable this code lies at the root of its files, and the worker where its source does. */
function workerUrl(): string {
  const isCompiled = /\$bunfs|~BUN/.test(import.meta.url);
  return new URL(isCompiled ? "./ci/pack/pack.worker.ts" : "./pack.worker.ts", import.meta.url).href;
}
