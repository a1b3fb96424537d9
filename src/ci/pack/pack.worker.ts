// Packs what it is sent, beside the main thread.
import { pack, type PackTask } from "./batch.ts";
import type { PackAnswer } from "./pool.ts";

declare const self: Worker;

const say = (answer: PackAnswer, transferred: ArrayBuffer[] = []) => self.postMessage(answer, transferred);

self.onmessage = ({ data }: MessageEvent<{ number: number; task: PackTask }>) => {
  const { number, task } = data;
  try {
    const done = pack(task);
    const lent = task.kind === "piece" ? task.content.buffer : undefined;
    say({ kind: "done", number, done, lent }, [done.packed.buffer, ...(lent ? [lent] : [])]);
  } catch (error) {
    say({ kind: "failed", number, message: error instanceof Error ? error.message : String(error) });
  }
};
say({ kind: "ready" });
