// `train` on a machine of this computer, while what it depends on is taken away from it.
import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { machineFoldersOf, processesOf } from "../../scripts/traces.ts";

// Each is a process of its own on a computer that may be busy.
setDefaultTimeout(60_000);

const root = join(import.meta.dir, "../..");

/** A home with a project in it; what was started with it is ended when the scope ends. */
class Trainer implements AsyncDisposable {
  readonly path = mkdtempSync(join(tmpdir(), "gpu-lost-"));
  readonly #checkpoints = join(this.path, "project/checkpoints");

  constructor(script: string) {
    mkdirSync(join(this.path, "project"));
    this.write(script);
  }

  /** Makes this what is trained with. */
  write(script: string): void {
    writeFileSync(join(this.path, "project/train.sh"), `mkdir -p checkpoints\n${script}`);
  }

  /** Starts the recipe; what it prints is there to look at while it runs. */
  start(...args: readonly string[]) {
    const child = Bun.spawn([
      ...[process.execPath, "--preload", join(root, "test/fake/cuts.ts"), join(root, "src/main.ts")],
      ...["run", "--no-check", join(root, "recipes/train.ts"), "sh train.sh", "--dir", "project", ...args],
    ], { cwd: this.path, env: this.#environment, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const said = { stdout: "", stderr: "" };
    const collect = async (from: ReadableStream<Uint8Array>, stream: keyof typeof said) => {
      const decoder = new TextDecoder();
      for await (const chunk of from) said[stream] += decoder.decode(chunk, { stream: true });
    };
    const collected = Promise.all([collect(child.stdout, "stdout"), collect(child.stderr, "stderr")]);
    return {
      said,
      kill: (signal: NodeJS.Signals) => child.kill(signal),
      async printed(text: string): Promise<void> {
        while (!said.stdout.includes(text) && child.exitCode === null) await Bun.sleep(10);
        if (!said.stdout.includes(text)) throw new Error(`ended before \`${text}\`: ${said.stdout}${said.stderr}`);
      },
      async ended() {
        const code = await child.exited;
        await collected;
        return { code, ...said };
      },
    };
  }

  /** What came home, by name. */
  saved(): Record<string, string> {
    return Object.fromEntries(
      readdirSync(this.#checkpoints).toSorted().map((name) => [
        name,
        readFileSync(join(this.#checkpoints, name), "utf8").trimEnd(),
      ]),
    );
  }

  /** The processes of the rented machine itself. */
  machines(): number[] {
    return processesOf(this.path).filter(({ command }) => command.includes(":machine")).map(({ pid }) => pid);
  }

  async expectNothingLeft(): Promise<void> {
    for (let round = 0; round < 500 && processesOf(this.path).length > 0; round++) await Bun.sleep(20);
    expect(processesOf(this.path)).toEqual([]);
    // A name with a dot is a machine that is gone, and what deletes its folder was ended on the way.
    expect(machineFoldersOf(this.path).filter((folder) => !basename(folder).startsWith("."))).toEqual([]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { pid } of processesOf(this.path)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It ended by itself meanwhile.
      }
    }
    await Bun.sleep(50);
    rmSync(this.path, { recursive: true, force: true });
  }

  get #environment(): Record<string, string> {
    return { PATH: process.env.PATH ?? "", HOME: this.path, GPU_LOCAL_BOOT_MS: "20" };
  }
}

const epochs = (count: number, pause: number) =>
  `for epoch in $(seq ${count}); do echo "epoch $epoch"; echo "$epoch" > "checkpoints/$epoch.pt"; sleep ${pause}; done\n`;

test("a connection that is cut again and again costs no line, no checkpoint and no exit code", async () => {
  await using trainer = new Trainer("");
  // Each epoch waits for a file of its own, so that the next cut finds a connection that lives again.
  const mayGoOn = (epoch: number | string) => join(trainer.path, `after-${epoch}`);
  trainer.write(
    `for epoch in $(seq 8); do echo "epoch $epoch"; echo "$epoch" > "checkpoints/$epoch.pt"
     until [ -e "${mayGoOn("$epoch")}" ]; do sleep 0.02; done; done\nexit 7\n`,
  );
  const running = trainer.start("--every", "200ms");
  const cuts = () => running.said.stderr.match(/^cut: /gm)?.length ?? 0;
  for (let epoch = 1; epoch <= 8; epoch++) {
    await running.printed(`epoch ${epoch}\n`);
    if ([1, 2, 4, 5, 7].includes(epoch)) {
      const before = cuts();
      running.kill("SIGUSR2");
      while (cuts() === before) await Bun.sleep(10);
    }
    writeFileSync(mayGoOn(epoch), "");
  }
  const { code, stdout, stderr } = await running.ended();
  const all = Array.from({ length: 8 }, (_, index) => index + 1);
  expect(stdout).toBe(
    `${all.map((epoch) => `epoch ${epoch}\n`).join("")}the training ended: failed (7); ` +
      "what it saved is in project/checkpoints\n",
  );
  expect(code).toBe(7);
  expect(stderr.match(/^cut: [1-9]/gm)?.length).toBe(5);
  expect(trainer.saved()).toEqual(Object.fromEntries(all.map((epoch) => [`${epoch}.pt`, `${epoch}`])));
  await trainer.expectNothingLeft();
});

test("Ctrl-C brings home what there is, and gives the machine back", async () => {
  await using trainer = new Trainer(`${epochs(3, 0.1)}echo waiting; sleep 600\n`);
  const running = trainer.start();
  await running.printed("waiting\n");
  running.kill("SIGINT");
  expect((await running.ended()).code).toBe(130);
  expect(trainer.saved()).toEqual({ "1.pt": "1", "2.pt": "2", "3.pt": "3" });
  await trainer.expectNothingLeft();
});

test("before the lease ends what there is comes home, and the run says what became of the machine", async () => {
  await using trainer = new Trainer(`${epochs(2, 0.1)}sleep 600\n`);
  const { code, stderr } = await trainer.start("--hours", String(12 / 3600)).ended();
  expect(code).not.toBe(0);
  expect(stderr).toMatch(/is gone: its lease is over/);
  expect(trainer.saved()).toEqual({ "1.pt": "1", "2.pt": "2" });
  await trainer.expectNothingLeft();
});

test("a machine that dies is not waited for", async () => {
  await using trainer = new Trainer(`${epochs(2, 0.3)}sleep 600\n`);
  const running = trainer.start("--every", "100ms");
  await running.printed("epoch 2\n");
  await Bun.sleep(500);
  for (const pid of trainer.machines()) process.kill(pid, "SIGKILL");
  const { code, stderr } = await running.ended();
  expect(code).not.toBe(0);
  expect(stderr).toContain("is gone: its provider says that it is");
  expect(trainer.saved()).toMatchObject({ "1.pt": "1" });
  await trainer.expectNothingLeft();
});
