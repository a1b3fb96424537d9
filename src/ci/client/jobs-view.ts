import { fitted } from "../../terminal/fit.ts";
import { render } from "../../terminal/render.ts";
import { isOver, type Job } from "../job.ts";
import { paint } from "../../paint.ts";

/** What a key asks for. */
export type Wish =
  | { readonly kind: "leave" }
  | { readonly kind: "log"; readonly jobId: string }
  | { readonly kind: "cancel"; readonly jobId: string };

interface Size {
  readonly columns: number;
  readonly rows: number;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** All one's jobs as a screen shows them, with one of them picked out: text and keys, without a terminal. */
export class JobsView {
  /** Why the list is not what it should be. */
  trouble: string | undefined;
  /** What came of the last wish. */
  said: string | undefined;
  readonly #server: string;
  readonly #isColored: boolean;
  #jobs: readonly Job[] = [];
  #isLoaded = false;
  #selected: string | undefined;
  #asked: string | undefined;

  constructor({ server, isColored }: { server: string; isColored: boolean }) {
    this.#server = server;
    this.#isColored = isColored;
  }

  /** What runs comes first, then what waits, then what is over. */
  get jobs(): readonly Job[] {
    return this.#jobs;
  }

  set jobs(jobs: readonly Job[]) {
    const rank = (job: Job) => (job.status === "running" ? 0 : isOver(job) ? 2 : 1);
    this.#jobs = jobs.toSorted((one, other) => rank(one) - rank(other));
    this.#isLoaded = true;
  }

  get #index(): number {
    return Math.max(0, this.#jobs.findIndex(({ job_id }) => job_id === this.#selected));
  }

  key(key: string): Wish | undefined {
    const job = this.#jobs[this.#index];
    this.said = undefined;
    if (this.#asked !== undefined) {
      const jobId = this.#asked;
      this.#asked = undefined;
      return key === "y" ? { kind: "cancel", jobId } : key === "\x03" ? { kind: "leave" } : undefined;
    }
    if (key === "q" || key === "\x03" || key === "\x1b") return { kind: "leave" };
    if (job === undefined) return undefined;
    if (key === "\r" || key === "\n") return { kind: "log", jobId: job.job_id };
    if (key === "c" && !isOver(job)) this.#asked = job.job_id;
    const step = { "\x1b[A": -1, "k": -1, "\x1b[B": 1, "j": 1 }[key] ?? 0;
    this.#selected = this.#jobs[Math.min(this.#jobs.length - 1, Math.max(0, this.#index + step))]?.job_id;
    return undefined;
  }

  frame({ columns, rows, now }: Size): string {
    const room = Math.max(1, rows - 5);
    const from = Math.max(0, Math.min(this.#index - Math.floor(room / 2), this.#jobs.length - room));
    const shown = this.#jobs.slice(from, from + room);
    const table = render({
      columns: ["", "job id", "status", "begun", "took", "success"],
      rows: shown.map((job) => [
        job.job_id === this.#jobs[this.#index]?.job_id ? "›" : " ",
        job.job_id,
        job.status,
        job.start_time?.slice(0, 19).replace("T", " ") ?? "-",
        tookText(job, now),
        this.#outcome(job),
      ]),
      narrow: [{ column: "begun" }, { column: "job id", min: 8 }, { column: "took" }],
    }, { isTTY: true, color: this.#isColored, columns });
    const texts = table.map(({ chunk }) => (typeof chunk === "string" ? chunk : ""));
    const body = this.#jobs.length > 0 ? texts.join("") : this.#isLoaded ? "No jobs found.\n" : "asking …\n";
    return [this.#head(), "", body + this.#foot()].map((part) =>
      part.split("\n").map((line) => fitted(line, columns)).join("\n")
    )
      .join("\n");
  }

  #head(): string {
    const count = (word: string, isOne: (job: Job) => boolean) => {
      const number = this.#jobs.filter(isOne).length;
      return number === 0 ? [] : [`${number} ${word}`];
    };
    const counts = [
      ...count("running", ({ status }) => status === "running"),
      ...count("waiting", (job) => job.status !== "running" && !isOver(job)),
      ...count("passed", ({ success }) => success === true),
      ...count("failed", (job) => isOver(job) && job.success === false),
    ];
    return [this.#server, ...counts].join(" · ");
  }

  #foot(): string {
    if (this.#asked !== undefined) return `cancel ${this.#asked}? y / n\n`;
    if (this.trouble !== undefined) return `${this.trouble}\n`;
    if (this.said !== undefined) return `${this.said}\n`;
    return "Up Down choose · Enter log · c cancel · q leave\n";
  }

  #outcome({ success }: Job): string {
    if (success === null) return "-";
    return success ? paint("green", "✓", this.#isColored) : paint("red", "✗", this.#isColored);
  }
}

/** How long it ran, to the second. */
function tookText({ start_time, end_time }: Job, now: number): string {
  if (start_time === null) return "-";
  const seconds = Math.max(
    0,
    Math.floor(((end_time === null ? now : Date.parse(end_time)) - Date.parse(start_time)) / 1000),
  );
  if (Number.isNaN(seconds)) return "-";
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds} s` : `${minutes} min ${String(seconds % 60).padStart(2, "0")} s`;
}
