// What `src/main.ts` does for `:background`, with times that suit a test: idle, giving up, version.
import { runBackground } from "../../src/background/process.ts";
import { outside } from "../../src/outside.ts";

const [idleMs, giveUpAfterMs, version] = process.argv.slice(2);
const world = outside(process, { onClosedPipe: () => {} });
process.exit(await runBackground(world, { idleMs: Number(idleMs), giveUpAfterMs: Number(giveUpAfterMs), version }));
