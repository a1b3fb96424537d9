import { z } from "zod";
import { CiError } from "../../errors.ts";
import { HttpError } from "../../http/errors.ts";

const listHint = "`gpu ci list` shows your jobs";

/** The command that administers a server: the existing one's, or our own's; undefined where it is not known which it is. */
export type Administration = "ci-admin" | "gpu ci" | undefined;

/** The error for a CI command without a key. */
export function keyMissing(by: Administration): CiError {
  return new CiError(
    "Authentication failed: API key is required. Set CI_API_KEY environment variable, use --api-key flag, or configure in ~/.ci/config",
    { hint: `\`gpu ci login\` asks for a key and keeps it; ${keyMaker(by)} one` },
  );
}

/** Who makes a key, before what is made. */
function keyMaker(by: Administration): string {
  return by === undefined ? "who runs the server makes" : `\`${by} key create\` on the server makes`;
}

/** The error for an id that no job has. */
export function noSuchJob(jobId: string, server: string, options: { status?: number; cause?: unknown } = {}): CiError {
  return new CiError(`there is no job \`${jobId}\` on ${server}`, { status: 404, ...options, hint: listHint });
}

interface Asked {
  readonly server: string;
  readonly jobId?: string;
  /** Where the key was found. */
  readonly keyFrom?: string;
  readonly by?: Administration;
}

/** Says what went wrong, with a job or without one, in the words of the CI protocol and of the server there is. */
export type Explain = (error: unknown, jobId?: string) => Promise<unknown>;

/** An HTTP failure in the words of the CI protocol. */
export function ciError(error: unknown, { server, jobId, keyFrom, by }: Asked): unknown {
  if (!(error instanceof HttpError)) return error;
  const { status } = error;
  const options = { status, cause: error };
  if (error.reason !== "status") {
    const hint = error.reason === "refused"
      ? `check that the CI server runs at ${server}; \`--server\` or \`CI_SERVER_URL\` names another one`
      : error.hint;
    return new CiError(error.message, { ...options, hint });
  }
  const said = detailOf(error.body);
  if (status === 401 && /inactive/i.test(said)) {
    return new CiError(`Authentication failed: the user of this API key is not active on ${server}`, {
      ...options,
      hint: `ask who runs the server to ${by === undefined ? "activate it" : `run \`${by} user activate\``}`,
    });
  }
  if (status === 401 || (status === 403 && /^(Not authenticated|Invalid authentication credentials)$/.test(said))) {
    return new CiError(`Authentication failed: ${server} does not accept this API key: it is wrong or revoked`, {
      ...options,
      hint: `${
        keyFrom === undefined ? "check `--api-key`, `CI_API_KEY` and `~/.ci/config`" : `the key is that of ${keyFrom}`
      }; ${keyMaker(by)} another`,
    });
  }
  if (status === 403) {
    const whose = jobId === undefined ? "this" : `job \`${jobId}\``;
    return new CiError(`access to ${whose} is denied: it is another user's, or yours is not active`, {
      ...options,
      hint: listHint,
    });
  }
  if (status === 404) {
    return jobId === undefined
      ? new CiError(`${server} is not a CI server: it knows no such request`, {
        ...options,
        hint: "check `--server` and `CI_SERVER_URL`",
      })
      : noSuchJob(jobId, server, options);
  }
  if (status !== undefined && status >= 300 && status < 400) {
    return new CiError(error.message, { ...options, hint: error.hint ?? "check `--server` and `CI_SERVER_URL`" });
  }
  const text = said === "" ? "" : `: ${said}`;
  return new CiError(`the CI server at ${server} answered ${status}${text}`, {
    ...options,
    hint: (status ?? 0) >= 500 ? "this is the server's fault: look at its log, or try again" : listHint,
  });
}

const Detail = z.object({ detail: z.union([z.string(), z.array(z.object({ msg: z.string() }))]) });

/** FastAPI's `detail`: a sentence, or a list of complaints. */
function detailOf(body: string): string {
  try {
    const { detail } = Detail.parse(JSON.parse(body));
    return typeof detail === "string" ? detail : detail.map(({ msg }) => msg).join("; ");
  } catch {
    return "";
  }
}
