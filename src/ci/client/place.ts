import type { CiEvent } from "../job.ts";

/** How far a reader of a job's log is: what tells a new connection where to go on. */
export class Place {
  /** Lines of the job that were handed on. */
  lines = 0;
  /** The last id that the server gave. */
  id: string | undefined;
  /** A stream of the job was open before, so that a further one must not skip what was said in between. */
  isJoined = false;
  /** The server said that the job was over before it was joined. */
  isOld = false;
  /** Lines of a replay that are known already. */
  #toSkip = 0;
  /** The number of the last line with an id. */
  #seen = -1;
  /** What the server itself said; a replay says it again. */
  readonly #words = new Set<string>();

  /** A connection opens; where it `resumes` by id nothing comes twice, else all that was seen. */
  begin({ resumes }: { resumes: boolean }): void {
    this.#toSkip = resumes ? 0 : this.lines;
    this.isJoined = true;
  }

  /** A line with an id, as our own server gives them. A proxy may have kept back where we wanted to go on. */
  numbered(data: string, id: string | undefined): CiEvent | undefined {
    const number = id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : undefined;
    if (number === undefined) return this.#said(data);
    if (number <= this.#seen) return undefined;
    this.#seen = number;
    this.lines++;
    return { type: "log", data };
  }

  /** A line of a server that replays: the first ones are known. */
  replayed(data: string): CiEvent | undefined {
    const words = serverWords.exec(data)?.[1];
    if (words !== undefined) {
      this.isOld ||= words === "Job already completed.";
      return this.#said(`${words}\n`);
    }
    if (this.#toSkip > 0) return void this.#toSkip--;
    this.lines++;
    return { type: "log", data };
  }

  #said(data: string): CiEvent | undefined {
    if (this.#words.has(data)) return undefined;
    this.#words.add(data);
    return { type: "log", data };
  }
}

/** Words of a plain server between the job's lines; they end in a backslash and an n where a newline was meant. */
const serverWords = /^(Job already completed\.|Job not found\.|Job disappeared\.|Error streaming logs: .*?)\\n$/s;
