import { z } from "zod";
import { CiError } from "../../errors.ts";
import { HttpError } from "../../http/errors.ts";

const listHint = "`gpu ci list` shows your jobs";

/** The error for a CI command without a key. */
export function keyMissing(): CiError {
  return new CiError(
    "Authentication failed: API key is required. Set CI_API_KEY environment variable, use --api-key flag, or configure in ~/.ci/config",
    { hint: "`gpu ci login` asks for a key and keeps it; `ci-admin key create` on the server makes one" },
  );
}

interface Asked {
  readonly server: string;
  readonly jobId?: string;
  /** Where the key was found. */
  readonly keyFrom?: string;
}

/** An HTTP failure in the words of the CI protocol. */
export function ciError(error: unknown, { server, jobId, keyFrom }: Asked): unknown {
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
      hint: "ask who runs the server to run `ci-admin user activate`",
    });
  }
  if (status === 401 || (status === 403 && /^(Not authenticated|Invalid authentication credentials)$/.test(said))) {
    return new CiError(`Authentication failed: ${server} does not accept this API key: it is wrong or revoked`, {
      ...options,
      hint: `${
        keyFrom === undefined ? "check `--api-key`, `CI_API_KEY` and `~/.ci/config`" : `the key is that of ${keyFrom}`
      }; \`ci-admin key create\` on the server makes a key`,
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
      : new CiError(`there is no job \`${jobId}\` on ${server}`, { ...options, hint: listHint });
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
