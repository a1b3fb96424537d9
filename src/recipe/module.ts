// What `import { … } from "gpu"` gives to a recipe. `gpu.d.ts` is this file's types, rolled up.
import type { Gpu } from "./api.ts";
import { currentRun } from "./current.ts";

export type * from "./api.ts";
export * as z from "./zod.ts";
export { CiError, GpuError, InterruptedError, LoginError, NotFoundError, UsageError } from "../errors.ts";
export type { ErrorKind, GpuErrorOptions } from "../errors.ts";
export type { Duration, DurationText } from "../duration.ts";
export type { Size, SizeText } from "../size.ts";
export type { RetryOptions } from "./again.ts";
export { ask } from "./ask.ts";
export type { Ask, AskOptions, AskTextOptions } from "./ask.ts";
export type { CallOptions } from "../surface/child.ts";
export { createProjectZip, listJobs, submitTestsAsync, submitTestsStreaming, waitForJob } from "./ci.ts";
export type { CiJob, CiServerOptions, ProjectZip, SubmitOptions } from "./ci.ts";
export { recipe } from "./define.ts";
export type { Recipe, RecipeDefinition } from "./define.ts";
export type { DetachedJob, DetachedJobState } from "./detached-job.ts";
export type { Forward, InstanceHandle, TunnelHandle, TunnelOptions } from "./handles.ts";
export type { JobEvent, JobHandle } from "./job.ts";
export type { Ran } from "./ran.ts";
export { step } from "./step.ts";
export type { Json } from "./step.ts";
export { localShell as $ } from "./local-shell.ts";
export { log } from "./log.ts";
export { notify } from "./notify.ts";
export type { Notification, NotifyOptions } from "./notify.ts";
export { onExit } from "./on-exit.ts";
export type { OnExitOptions } from "./on-exit.ts";
export { parallel } from "./parallel.ts";
export type { ParallelOptions } from "./parallel.ts";
export { secrets } from "./secret.ts";
export { TestClock } from "./rehearse/test-clock.ts";
export { testRecipe } from "./rehearse/test-recipe.ts";
export type { TestedCall, TestedInstance, TestedRecipe, TestRecipeOptions } from "./rehearse/test-recipe.ts";
export { ShellCommand } from "./shell.ts";
export { ShellError } from "./shell-output.ts";
export type { Shell } from "./shell.ts";
export type { ShellInput } from "./shell-input.ts";
export type { ShellExit, ShellOutput } from "./shell-output.ts";
export type { ShellValue } from "./quote.ts";
export { duration, size } from "./spans.ts";
export { poll, retry, sleep } from "./waiting.ts";
export type { PollOptions } from "./waiting.ts";
export { bar, table } from "./table.ts";
export type { Cell } from "./table.ts";

/** Every command as a function, by its words: `gpu ci submit test` is `gpu.ci.submit.test({…})`. */
export const gpu: Gpu = functionsOfTheRun();

/** There is one module and there may be many runs: which one is found when a function is looked up. */
function functionsOfTheRun(): Gpu {
  const tree: unknown = new Proxy({}, {
    get: (_, word) => typeof word === "string" ? currentRun().api[word] : undefined,
    has: (_, word) => typeof word === "string" && word in currentRun().api,
    ownKeys: () => Object.keys(currentRun().api),
    getOwnPropertyDescriptor: (_, word) =>
      typeof word === "string" && word in currentRun().api
        ? { value: currentRun().api[word], enumerable: true, configurable: true }
        : undefined,
  });
  // The one place where what the definitions compute at run time meets the types that are generated from them.
  return tree as Gpu;
}
