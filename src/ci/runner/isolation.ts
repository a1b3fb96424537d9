import { GpuError } from "../../errors.ts";
import { bubblewrapWords, checkBubblewrap } from "./bubblewrap.ts";
import { ProjectError, type ProjectPlan } from "./project.ts";
import type { RunnerOptions } from "./runner.ts";

type ShutInOptions = Pick<
  RunnerOptions,
  "world" | "folder" | "isolation" | "hidden" | "environment" | "bunFolder" | "executable"
>;

/** The words before a job's commands that shut it in, none where it is a plain process. Throws where that cannot be. */
export async function shutInWords(plan: ProjectPlan, options: ShutInOptions): Promise<string[]> {
  const { world, folder, isolation = "process", hidden = [], environment, bunFolder, executable } = options;
  if (isolation === "process") {
    if (!plan.hasNetwork) {
      throw new ProjectError("gpu-ci.yaml says `network: none`, which needs a server with `--isolation bubblewrap`");
    }
    return [];
  }
  try {
    await checkBubblewrap({ ...world, env: environment });
  } catch (error) {
    throw error instanceof GpuError ? new ProjectError(`the job cannot be isolated: ${error.message}`) : error;
  }
  return bubblewrapWords({
    project: folder,
    hidden,
    home: environment.HOME ?? "",
    path: environment.PATH ?? "",
    tools: [bunFolder, executable].filter((tool) => tool !== undefined),
    hasNetwork: plan.hasNetwork,
  });
}
