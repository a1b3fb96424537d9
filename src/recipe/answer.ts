import { z } from "zod";
import { type Command, defineCommand } from "../command.ts";
import type { RunAnswer } from "./start.ts";

/** Says what `gpu run` has to say beside what the recipe returned. */
export function answerCommand(answer: RunAnswer): Command {
  return defineCommand({
    name: "run",
    summary: "Say what became of it",
    effect: "read",
    input: z.object({}),
    output: z.unknown(),
    run: () => Promise.resolve(answer),
    view: () => undefined,
  });
}
