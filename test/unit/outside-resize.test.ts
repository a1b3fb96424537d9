import { expect, test } from "bun:test";
import { outside } from "../../src/outside.ts";

test("many may listen for the size of the terminal without a warning on it", async () => {
  const warnings: string[] = [];
  const onWarning = (warning: Error) => void warnings.push(warning.name);
  process.on("warning", onWarning);
  try {
    const { stdout } = outside(process, { onClosedPipe() {} }).terminal;
    const before = process.stdout.listenerCount("resize");
    const listening = Array.from({ length: 40 }, () => stdout.onResize(() => {}));
    await Bun.sleep(1); // A warning comes with the next turn.
    expect(warnings).toEqual([]);
    for (const one of listening) one[Symbol.dispose]();
    expect(process.stdout.listenerCount("resize")).toBe(before);
  } finally {
    process.off("warning", onWarning);
  }
});
