import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Screen, type Snapshot } from "./screen.ts";

/** How large the terminal is that is recorded. */
export const size = { columns: 84, rows: 22 } as const;

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

interface Recording {
  readonly snapshots: readonly Snapshot[];
  /** What stays to be read of each command, with the line that was typed before it. */
  readonly text: string;
  readonly endsAtMs: number;
}

/** Types each line, lets the command really run in an empty HOME, and notes what the screen shows at each change. */
export async function record({ executable, home }: { executable: string; home: string }): Promise<Recording> {
  const bin = join(home, "bin");
  const work = join(home, "project");
  for (const folder of [bin, work]) mkdirSync(folder);
  symlinkSync(executable, join(bin, "gpu"));
  writeFileSync(join(work, "greet.ts"), recipe);
  const environment = { HOME: home, PATH: `${bin}:/usr/bin:/bin`, TERM: "xterm-256color", LANG: "C.UTF-8" };
  const screen = new Screen(size);
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
    const shown = new Screen({ ...size, rows: 200 });
    const startedAt = performance.now();
    const startedMs = nowMs;
    const decoder = new TextDecoder();
    const allShown = Promise.withResolvers<void>();
    const child = Bun.spawn(["/bin/sh", "-c", line], {
      cwd: work,
      env: environment,
      terminal: {
        ...{ cols: size.columns, rows: size.rows },
        data: (_, bytes) => {
          const chunk = decoder.decode(bytes, { stream: true });
          nowMs = startedMs + Math.round(performance.now() - startedAt);
          screen.write(chunk);
          shown.write(chunk);
          note(false);
        },
        exit: () => allShown.resolve(),
      },
    });
    const code = await child.exited;
    await allShown.promise;
    if (code !== 0) throw new Error(`\`${line}\` ended with ${code}:\n${shown.text()}`);
    if (line !== "clear") said.push(`$ ${line}`, ...shown.text().split("\n"));
    nowMs += restMs;
  }
  return { snapshots, text: `${said.join("\n")}\n`, endsAtMs: nowMs };
}
