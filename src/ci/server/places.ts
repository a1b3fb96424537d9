import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isJobId } from "./job-id.ts";

/** Where a CI server keeps what belongs to a job. Ids are the server's own: one from a request is looked up first. */
export class Places {
  readonly root: string;

  constructor(dataFolder: string) {
    this.root = dataFolder;
    for (const name of ["logs", "uploads", "work"]) {
      mkdirSync(join(dataFolder, name), { recursive: true, mode: 0o700 });
    }
  }

  get logs(): string {
    return join(this.root, "logs");
  }

  log(id: string): string {
    return join(this.logs, `${id}.log`);
  }

  upload(id: string): string {
    return join(this.root, "uploads", `${id}.zip`);
  }

  /** The job's own folder: its project while it runs, its artifacts after it. */
  work(id: string): string {
    return join(this.root, "work", id);
  }

  hasUpload(id: string): boolean {
    return existsSync(this.upload(id));
  }

  removeUpload(id: string): void {
    rmSync(this.upload(id), { force: true });
  }

  /** Removes all there is of a job. */
  remove(id: string): void {
    rmSync(this.log(id), { force: true });
    this.removeUpload(id);
    rmSync(this.work(id), { recursive: true, force: true });
  }

  /** Removes what no job `needs`: a killed server left it. What does not bear a job's id was never ours. */
  removeStrangers(needs: (id: string, what: keyof typeof endings) => boolean): void {
    for (const [what, ending] of Object.entries(endings)) {
      const folder = join(this.root, what);
      for (const name of existsSync(folder) ? readdirSync(folder) : []) {
        const id = name.slice(0, name.length - ending.length);
        if (!isKind(what) || !name.endsWith(ending) || !isJobId(id) || needs(id, what)) continue;
        rmSync(join(folder, name), { recursive: true, force: true });
      }
    }
  }
}

/** The folders, and how the names of what is in them end behind a job's id. */
const endings = { logs: ".log", uploads: ".zip", work: "", sealed: ".bin" } as const;

function isKind(name: string): name is keyof typeof endings {
  return Object.hasOwn(endings, name);
}
