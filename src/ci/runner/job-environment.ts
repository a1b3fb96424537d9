import type { ProjectPlan } from "./project.ts";
import type { RunnerOptions } from "./runner.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** What programs need to run. `GPU_MACHINE` must pass: a local machine finds by it what it has to end. */
const passedOn = new RegExp(
  "^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_.*|TZ|TERM|TMPDIR|LD_LIBRARY_PATH|CUDA_.*|NVIDIA_.*|ROCR_.*|HIP_.*|" +
    "SSL_CERT_.*|(HTTPS?|NO|ALL)_PROXY|npm_config_registry|PIP_INDEX_URL|GPU_MACHINE)$",
  "i",
);

/** The environment for jobs: what programs need, and none of the server's secrets. */
export function jobEnvironment(env: Environment): Environment {
  return Object.fromEntries(Object.entries(env).filter(([name]) => passedOn.test(name)));
}

/** What the lines of one job see. A variable that was sent with it wins over its project's; the mark is nobody's to change. */
export function environmentOf(
  plan: ProjectPlan,
  { environment, secrets = {}, bunFolder, folder, id }: Pick<
    RunnerOptions,
    "environment" | "secrets" | "bunFolder" | "folder" | "id"
  >,
): Record<string, string | undefined> {
  const given = { ...plan.env, ...secrets };
  const path = given.PATH ?? environment.PATH ?? "/usr/local/bin:/usr/bin:/bin";
  return {
    ...environment,
    CI: "true",
    PWD: folder,
    ...given,
    PATH: bunFolder === undefined ? path : `${path}:${bunFolder}`,
    GPU_CI_JOB: id,
  };
}
