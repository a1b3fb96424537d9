// Records what dist/gpu does on a terminal: it types some lines into a real one, in an empty HOME, and writes what was seen
// and when as scripts/recordings/session.svg, which README.md and the site show, and as text beside it.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { build, executable } from "./build.ts";
import { record, size } from "./recordings/record.ts";
import { svgOf } from "./recordings/svg.ts";
import { root } from "./toolchain.ts";
import { processesOf } from "./traces.ts";

const home = mkdtempSync(join(tmpdir(), "gpu-recording-"));
try {
  await build();
  const { snapshots, text, endsAtMs } = await record({ executable, home });
  const svg = svgOf({ snapshots, ...size, endsAtMs, title: "A session of gpu on a terminal", text });
  if (svg.length > 200_000) throw new Error(`the recording has ${svg.length} bytes, which is too much for a README`);
  const folder = join(root, "scripts/recordings");
  writeFileSync(join(folder, "session.svg"), svg);
  writeFileSync(join(folder, "session.txt"), text);
  console.log(`wrote scripts/recordings/session.svg: ${(endsAtMs / 1000).toFixed(1)} s, ${svg.length} bytes`);
} finally {
  for (const { pid } of processesOf(home)) process.kill(pid, "SIGKILL");
  rmSync(home, { recursive: true, force: true });
}
