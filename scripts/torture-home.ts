// One HOME of the torture: jobs run in it one after the other, are killed, and what they leave is counted.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import process from "node:process";
import { executable } from "./build.ts";
import { overlaps, readRows, repeated, type Row } from "./torture-rows.ts";
import { type Cloud, openEmulator } from "./torture-cloud.ts";
import { root } from "./toolchain.ts";
import { machineFoldersOf, processesOf, stateFolderOf } from "./traces.ts";

/** What came of all runs in one HOME. */
export interface Tally {
  runs: number;
  /** Runs that were killed before they had ended by themselves. */
  killed: number;
  reapersKilled: number;
  /** Milliseconds from a SIGKILL until the reaper alone had ended the last machine. */
  reaped: number[];
  made: number;
  left: number;
  doubles: number;
  openRows: number;
  /** What does not fit, in words. */
  complaints: string[];
}

/** Where machines are rented, and what is run. */
export type Plan = "local" | "lambda";

interface Job {
  readonly argv: readonly string[];
  /** Kills are spread over this long, in milliseconds; some come after its end. */
  readonly spanMs: number;
  /** Ends with its own machine, so that the reaper alone must clean up after a kill. */
  readonly isRecipe: boolean;
}

const jobs: Readonly<Record<Plan, readonly Job[]>> = {
  local: [
    {
      argv: ["run", join(root, "recipes/test-on-gpu.ts"), "--dir", "project", "--hours", "0.2"],
      spanMs: 1000,
      isRecipe: true,
    },
    { argv: ["start", "--hours", "0.2"], spanMs: 450, isRecipe: false },
  ],
  lambda: [
    { argv: ["run", "--budget", "5", "short.ts"], spanMs: 4000, isRecipe: true },
    { argv: ["start", "--hours", "0.2", "--yes", "--no-check"], spanMs: 3500, isRecipe: false },
  ],
};

const shortRecipe = `import { gpu, recipe, z } from "gpu";
export default recipe({
  summary: "Rent, run a command, give back",
  input: z.object({}),
  async run() {
    await using box = await gpu.start({ hours: 0.2, check: false });
    return { said: await box.exec("echo here").text() };
  },
});
`;
const projectTest = `import { expect, test } from "bun:test";
test("one and one", async () => {
  await Bun.sleep(100);
  expect(1 + 1).toBe(2);
});
`;

export class TortureHome implements AsyncDisposable {
  readonly #path = mkdtempSync(join(tmpdir(), "gpu-torture-"));
  readonly #home = join(this.#path, "home");
  readonly #plan: Plan;
  readonly #random: () => number;
  #cloud: Cloud | undefined;
  /** Nothing but the kills goes wrong from now on. */
  #isCalm = false;
  readonly tally: Tally = {
    ...{ runs: 0, killed: 0, reapersKilled: 0, made: 0, left: 0, doubles: 0, openRows: 0 },
    reaped: [],
    complaints: [],
  };

  constructor({ plan, random }: { plan: Plan; random: () => number }) {
    this.#plan = plan;
    this.#random = random;
    mkdirSync(join(this.#home, "project"), { recursive: true });
    writeFileSync(join(this.#home, "project/sum.test.ts"), projectTest);
    writeFileSync(join(this.#home, "project/package.json"), `{ "scripts": { "test": "bun test" } }\n`);
    writeFileSync(join(this.#home, "short.ts"), shortRecipe);
  }

  async open(): Promise<void> {
    this.#isCalm = this.#plan === "local";
    if (this.#plan === "lambda") {
      this.#cloud = await openEmulator({ folder: this.#path, seed: Math.floor(this.#random() * 2 ** 31) });
    }
  }

  /** One job, killed at a random instant. */
  async run(): Promise<void> {
    const { tally } = this;
    const choices = jobs[this.#plan];
    const job = choices[Math.floor(this.#random() * choices.length)] ?? choices[0];
    if (!job) return;
    tally.runs += 1;
    const child = this.#start(job.argv);
    const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    // A start begins with what was left before: most kills are to come later, when something of its own is on the disk.
    if (this.#random() < 2 / 3) await this.#untilIntended(child);
    await Promise.race([exited, Bun.sleep(this.#random() * job.spanMs)]);
    const isAlive = child.exitCode === null && child.signalCode === null;
    const killsReaper = this.#random() < 1 / 3;
    const isReaperFirst = this.#random() < 0.5;
    if (killsReaper && isReaperFirst) this.#killReaper();
    const killedAt = performance.now();
    // Its own group: the checker of types and whatever else it started as a child dies with it.
    if (isAlive) kill(this.#random() < 0.5 ? -(child.pid ?? 0) : child.pid ?? 0);
    if (killsReaper && !isReaperFirst) {
      await Bun.sleep(this.#random() * 60);
      this.#killReaper();
    }
    await exited;
    if (isAlive) tally.killed += 1;
    if (isAlive && job.isRecipe && !killsReaper && this.#plan === "local") await this.#watchReaper(killedAt);
    if (!job.isRecipe) await this.#gpu(["stop", "--all", "--yes"]);
    await this.#gpu(["reconcile", "--yes"]);
  }

  /** Lets later commands settle what takes its time, then counts. */
  async finish(): Promise<void> {
    await this.#cloud?.calm();
    this.#isCalm = true;
    const deadline = Date.now() + 60_000;
    while (this.#openRows() > 0 && Date.now() < deadline) {
      await this.#gpu(["stop", "--all", "--yes"]);
      await this.#gpu(["reconcile", "--yes"]);
      await Bun.sleep(500);
    }
    await this.#count();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cloud?.[Symbol.asyncDispose]();
    for (const { pid } of processesOf(this.#path)) kill(pid);
    rmSync(this.#path, { recursive: true, force: true });
  }

  async #untilIntended(child: ChildProcess): Promise<void> {
    const before = this.#rowCount() ?? 0;
    const deadline = performance.now() + 10_000;
    const isOver = () => child.exitCode !== null || child.signalCode !== null || performance.now() > deadline;
    while ((this.#rowCount() ?? 0) <= before && !isOver()) await Bun.sleep(10);
  }

  /** Undefined while the journal is being made. */
  #rowCount(): number | undefined {
    try {
      return this.#rows().length;
    } catch {
      return undefined;
    }
  }

  async #watchReaper(killedAt: number): Promise<void> {
    while (this.#machineCount() > 0 && performance.now() - killedAt < 10_000) await Bun.sleep(5);
    const ms = performance.now() - killedAt;
    if (this.#machineCount() > 0) this.tally.complaints.push("the reaper left a machine for 10 s");
    else this.tally.reaped.push(ms);
  }

  async #count(): Promise<void> {
    const { tally } = this;
    const deadline = Date.now() + 3000;
    while (this.#machineCount() > 0 && Date.now() < deadline) await Bun.sleep(50);
    const bill = await this.#cloud?.bill();
    const rows = this.#rows();
    tally.openRows = this.#openRows();
    tally.made = bill?.made ?? rows.filter(({ instanceId }) => instanceId !== null).length;
    tally.left = this.#machineCount() + (bill?.left ?? 0);
    tally.doubles = overlaps(rows) + repeated(bill?.tokens ?? []);
  }

  #start(argv: readonly string[]): ChildProcess {
    return spawn(executable, argv, { cwd: this.#home, env: this.#environment(), detached: true, stdio: "ignore" });
  }

  /** A command that nobody kills; its failure is worth a word where nothing else goes wrong. */
  async #gpu(argv: readonly string[]): Promise<void> {
    const child = spawn(executable, argv, {
      cwd: this.#home,
      env: this.#environment(),
      stdio: ["ignore", "ignore", "pipe"],
      timeout: this.#isCalm ? 60_000 : 3_000,
      killSignal: "SIGKILL",
    });
    const said = text(child.stderr);
    const [code, signal] = await once(child, "exit");
    // In a hostile cloud a machine may boot for ever and not be ended before: that stop is then killed as well.
    if (code === 0 || (this.#plan === "lambda" && !this.#isCalm)) return;
    this.tally.complaints.push(`gpu ${argv.join(" ")}: ${signal ?? code}: ${(await said).slice(0, 300)}`);
  }

  #environment(): Record<string, string> {
    const boot = String(Math.floor(this.#random() * 250));
    return { HOME: this.#home, PATH: "/usr/bin:/bin", GPU_LOCAL_BOOT_MS: boot, ...this.#cloud?.environment };
  }

  #killReaper(): void {
    for (const { pid } of processesOf(this.#home).filter(({ command }) => command.endsWith(":background"))) {
      this.tally.reapersKilled += 1;
      kill(pid);
    }
  }

  /** Machines of the local provider: processes, and folders that have none any more. */
  #machineCount(): number {
    const folders = machineFoldersOf(this.#home).filter((path) => /\/i-[0-9a-f]+$/.test(path)).length;
    const living = processesOf(this.#home).filter(({ command }) => / (:machine|agent) /.test(command)).length;
    return Math.max(folders, living);
  }

  #openRows(): number {
    return this.#rows().filter(({ state }) => state !== "STOPPED" && state !== "ABSENT").length;
  }

  #rows(): Row[] {
    return readRows(join(stateFolderOf(this.#home), "journal.db"));
  }
}

function kill(pid: number): void {
  try {
    if (pid !== 0) process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}
