// Records what dist/gpu does on a terminal: it types the lines below into a real one, in an empty HOME, and writes what
// was seen and when as scripts/recordings/session.svg, which README.md and the site show, and as text beside it.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { build, executable } from "./build.ts";
import { Screen, type Snapshot } from "./recordings/screen.ts";
import { svgOf } from "./recordings/svg.ts";
import { root } from "./toolchain.ts";
import { processesOf } from "./traces.ts";

const columns = 84;
const rows = 22;
/** What is typed, and how long it is looked at afterwards, in milliseconds. */
const session = [
  { line: "gpu", restMs: 1800 },
  { line: "gpu start --name box --hours 0.5", restMs: 1200 },
  { line: "gpu exec box -- 'echo to be or not to be | wc -w'", restMs: 1200 },
  { line: "gpu status", restMs: 1800 },
  { line: "gpu stop box", restMs: 1500 },
  { line: "clear", restMs: 200 },
  { line: "cat greet.ts", restMs: 3500 },
  { line: "gpu run greet.ts --name you", restMs: 2500 },
  { line: "gpu status", restMs: 4000 },
];

const recipe = `import { gpu, recipe, z } from "gpu";

export default recipe({
  summary: "Greet from a machine",
  input: z.object({ name: z.string().describe("whom to greet") }),
  async run({ name }) {
    await using box = await gpu.start({ hours: 0.25 });
    await box.$\`echo hello \${name}\`;
  },
});
`;

const home = mkdtempSync(join(tmpdir(), "gpu-recording-"));
try {
  await build();
  const { snapshots, text, endsAtMs } = await record();
  const svg = svgOf({ snapshots, columns, rows, endsAtMs, title: "A session of gpu on a terminal", text });
  if (svg.length > 200_000) throw new Error(`the recording has ${svg.length} bytes, which is too much for a README`);
  const folder = join(root, "scripts/recordings");
  writeFileSync(join(folder, "session.svg"), svg);
  writeFileSync(join(folder, "session.txt"), text);
  console.log(`wrote scripts/recordings/session.svg: ${(endsAtMs / 1000).toFixed(1)} s, ${svg.length} bytes`);
} finally {
  for (const { pid } of processesOf(home)) process.kill(pid, "SIGKILL");
  rmSync(home, { recursive: true, force: true });
}

/** Types each line, lets the command really run, and notes what the screen shows at each change. */
async function record(): Promise<{ snapshots: Snapshot[]; text: string; endsAtMs: number }> {
  const bin = join(home, "bin");
  const work = join(home, "project");
  for (const folder of [bin, work]) mkdirSync(folder);
  symlinkSync(executable, join(bin, "gpu"));
  writeFileSync(join(work, "greet.ts"), recipe);
  const environment = { HOME: home, PATH: `${bin}:/usr/bin:/bin`, TERM: "xterm-256color", LANG: "C.UTF-8" };
  const screen = new Screen({ columns, rows });
  const snapshots: Snapshot[] = [];
  const said: string[] = [];
  let nowMs = 0;
  const note = (cursor: boolean) => void snapshots.push(screen.snapshot({ atMs: nowMs, cursor }));
  for (const { line, restMs } of session) {
    screen.write("\x1b[1;32m$\x1b[0m ");
    note(true);
    nowMs += 500;
    for (const character of line) {
      screen.write(character);
      nowMs += 45;
      note(true);
    }
    nowMs += 350;
    screen.write("\r\n");
    note(false);
    const shown = new Screen({ columns, rows: 200 });
    const startedAt = performance.now();
    const startedMs = nowMs;
    const decoder = new TextDecoder();
    const child = Bun.spawn(["/bin/sh", "-c", line], {
      cwd: work,
      env: environment,
      terminal: {
        cols: columns,
        rows,
        data: (_, bytes) => {
          const chunk = decoder.decode(bytes, { stream: true });
          nowMs = startedMs + Math.round(performance.now() - startedAt);
          screen.write(chunk);
          shown.write(chunk);
          note(false);
        },
      },
    });
    const code = await child.exited;
    await Bun.sleep(100);
    if (code !== 0) throw new Error(`\`${line}\` ended with ${code}:\n${shown.text()}`);
    if (line !== "clear") said.push(`$ ${line}`, ...shown.text().split("\n"));
    nowMs += restMs;
  }
  return { snapshots, text: `${said.join("\n")}\n`, endsAtMs: nowMs };
}
