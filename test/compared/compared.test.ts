// The jobs that README.md shows as a recipe and in bash: the ones in bash have to work, too.
import { expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openEmulator } from "../interop/lambda-emulator.ts";

const here = import.meta.dir;
const jobs = {
  "test-on-gpu": join(here, "../../recipes/test-on-gpu.ts"),
  "sweep": join(here, "sweep.ts"),
  "nightly": join(here, "nightly.ts"),
};
const missing = ["bash", "curl", "jq", "ssh", "ssh-keygen", "git", "tar"].filter((program) => !Bun.which(program));

for (const [job, recipe] of Object.entries(jobs)) {
  test(`${job}: the recipe is at most half as long`, () => {
    expect(countLines(recipe) * 2).toBeLessThan(countLines(join(here, `${job}.sh`)));
  });
}

test.skipIf(missing.length > 0)(
  "the main job in bash passes on the tests' exit code and gives the instance back",
  async () => {
    await using emulated = await openEmulator();
    const project = makeProject(emulated.folder);
    for (const [tests, code] of [["nvidia-smi -L && sh test.sh", 0], ["sh test.sh && exit 3", 1]] as const) {
      const ended = await runJob("test-on-gpu", [tests], { emulated, cwd: project, env: { KEEP_SECONDS: "0" } });
      expect(ended).toMatchObject({ code, stdout: expect.stringContaining("tested\n") });
    }
    expect(await leftBehind(emulated)).toEqual([]);
  },
  30_000,
);

test.skipIf(missing.length > 0)("the sweep in bash prints a line for each type", async () => {
  await using emulated = await openEmulator();
  writeFileSync(join(emulated.folder, "bench.sh"), "nvidia-smi -L >/dev/null");
  const ended = await runJob("sweep", ["bench.sh", "gpu_1x_a10", "gpu_2x_a100"], { emulated, cwd: emulated.folder });
  expect(ended.stdout).toMatch(/^gpu_1x_a10 \d+\.\d{3}\ngpu_2x_a100 \d+\.\d{3}\n$/);
  expect(ended.code).toBe(0);
  expect(await leftBehind(emulated)).toEqual([]);
}, 30_000);

test.skipIf(missing.length > 0)("the nightly run in bash says how it went", async () => {
  await using emulated = await openEmulator();
  const heard: unknown[] = [];
  using hook = Bun.serve({ port: 0, fetch: async (request) => (heard.push(await request.json()), new Response("ok")) });
  writeFileSync(join(emulated.folder, "nightly.sh"), "echo 12 passed");
  writeFileSync(join(emulated.folder, "bad.sh"), "echo 1 failed; exit 3");
  const env = { SLACK_WEBHOOK_URL: hook.url.href };
  expect((await runJob("nightly", [], { emulated, cwd: emulated.folder, env })).code).toBe(0);
  expect((await runJob("nightly", ["bad.sh"], { emulated, cwd: emulated.folder, env })).code).toBe(1);
  expect(heard).toEqual([{ text: "nightly is well: 12 passed" }, { text: "nightly failed (1): 1 failed" }]);
  expect(await leftBehind(emulated)).toEqual([]);
}, 30_000);

test("the nightly recipe says how it went", async () => {
  await using emulated = await openEmulator();
  const heard: unknown[] = [];
  using hook = Bun.serve({ port: 0, fetch: async (request) => (heard.push(await request.json()), new Response("ok")) });
  mkdirSync(join(emulated.folder, ".config/gpu"), { recursive: true });
  writeFileSync(
    join(emulated.folder, ".config/gpu/config.yaml"),
    `notify: { team: { type: slack, url: "${hook.url.href}" } }\n`,
  );
  writeFileSync(join(emulated.folder, "nightly.sh"), "echo 11 passed; echo 12 passed");
  writeFileSync(join(emulated.folder, "bad.sh"), "echo 1 failed; exit 3");
  expect((await runRecipe("nightly", [], { emulated, cwd: emulated.folder })).code).toBe(0);
  expect((await runRecipe("nightly", ["bad.sh"], { emulated, cwd: emulated.folder })).code).toBe(1);
  expect(heard).toEqual([
    { text: "nightly is well: 12 passed" },
    { text: expect.stringMatching(/^nightly failed: .*`bash nightly.sh` exited with 3:\n1 failed$/) },
  ]);
  expect(await leftBehind(emulated)).toEqual([]);
  while (existsSync(join(emulated.folder, ".local/state/gpu/background.sock"))) await Bun.sleep(20);
}, 60_000);

test.skipIf(missing.length > 0)("what SIGKILL leaves behind: the instance, when the job is in bash", async () => {
  await using emulated = await openEmulator();
  const child = startJob("test-on-gpu", ["echo here; sleep 60"], { emulated, cwd: makeProject(emulated.folder) });
  for await (const chunk of child.stdout) if (`${Buffer.from(chunk)}`.includes("here")) break;
  child.kill("SIGKILL");
  await child.exited;
  expect(await leftBehind(emulated)).toHaveLength(1);
}, 30_000);

/** Lines that say something. */
function countLines(file: string): number {
  return readFileSync(file, "utf8").split("\n").filter((line) => line.trim() !== "" && !/^\s*(?:\/\/|#)/.test(line))
    .length;
}

type Emulated = Awaited<ReturnType<typeof openEmulator>>;

function makeProject(folder: string): string {
  const project = join(folder, "project");
  mkdirSync(project);
  writeFileSync(join(project, "test.sh"), "echo tested");
  chmodSync(join(project, "test.sh"), 0o755);
  Bun.spawnSync(["git", "init", "-q"], { cwd: project });
  return project;
}

interface Run {
  readonly emulated: Emulated;
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

function startJob(job: string, args: readonly string[], run: Run) {
  return start(["bash", join(here, `${job}.sh`), ...args], run);
}

function start(command: readonly string[], { emulated, cwd, env = {} }: Run) {
  const { url, key } = emulated.emulator;
  return Bun.spawn([...command], {
    cwd,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: 25_000,
    env: { PATH: process.env.PATH ?? "", HOME: emulated.folder, LAMBDA_API_URL: url, LAMBDA_API_KEY: key, ...env },
  });
}

function runJob(job: string, args: readonly string[], run: Run) {
  return ended(startJob(job, args, run));
}

/** The recipe of that name, with its types checked elsewhere. */
function runRecipe(job: keyof typeof jobs, args: readonly string[], run: Run) {
  const main = join(here, "../../src/main.ts");
  return ended(start([process.execPath, main, "run", "--provider", "lambda", "--no-check", jobs[job], ...args], run));
}

async function ended(child: ReturnType<typeof start>) {
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, stdout, stderr };
}

async function leftBehind({ call }: Emulated): Promise<string[]> {
  const { data } = await call("GET", "/instances");
  return data.filter(({ status }: { status: string }) => !/^terminat/.test(status)).map(({ id }: { id: string }) => id);
}
