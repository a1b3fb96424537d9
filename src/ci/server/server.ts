import type { World } from "../../world.ts";
import type { Access, Caller } from "./access.ts";
import { type Accounts, administer } from "./admin-answers.ts";
import { detail } from "./answers.ts";
import { features } from "../job.ts";
import * as jobs from "./job-answers.ts";
import { openApi } from "./openapi.ts";
import type { CiService } from "./service.ts";

export interface CiServerOptions {
  readonly world: Pick<World, "clock" | "random">;
  readonly service: CiService;
  readonly access: Access;
  /** Nobody has to have a key. */
  readonly isOpen?: boolean;
  /** Where there are users: what an admin's key may change. */
  readonly accounts?: Accounts;
  /** 16 GiB when left out. */
  readonly maxUploadBytes?: number;
}

type Handler = (request: Request) => Promise<Response>;

/** Answers requests of the CI protocol, in the existing server's words. */
export function ciHandler(options: CiServerOptions): Handler {
  return async (request) => {
    const { pathname } = new URL(request.url);
    const found = match(pathname);
    if (!found) return detail(404, "Not Found");
    const { route, words } = found;
    const methods = Object.keys(route.methods);
    const act = Object.hasOwn(route.methods, request.method) ? route.methods[request.method] : undefined;
    if (!act) return detail(405, "Method Not Allowed", { allow: methods.join(", ") });
    if (route.isOpen) return await act({ ...options, request, words, caller: nobody });
    const caller = options.access(request);
    if (caller instanceof Response) return caller;
    const answer = await act({ ...options, request, words, caller });
    for (const [name, value] of Object.entries(caller.headers)) answer.headers.set(name, value);
    return answer;
  };
}

const nobody: Caller = { userId: "", isAdmin: false, headers: {} };

interface Ask extends CiServerOptions {
  readonly request: Request;
  readonly caller: Caller;
  /** What the path's pattern caught, as it stands in the address. */
  readonly words: readonly string[];
}

type Act = (ask: Ask) => Response | Promise<Response>;

interface Route {
  readonly path: RegExp;
  /** Nobody has to say who asks. */
  readonly isOpen?: boolean;
  readonly methods: Readonly<Record<string, Act>>;
}

const routes: readonly Route[] = [
  {
    path: /^\/health$/,
    isOpen: true,
    methods: {
      GET: ({ isOpen }) =>
        Response.json({ status: "ok", server: "gpu", features: isOpen ? [...features, "open"] : features }),
    },
  },
  { path: /^\/openapi\.json$/, isOpen: true, methods: { GET: () => Response.json(openApi()) } },
  { path: /^\/submit$/, methods: { POST: (ask) => jobs.submitFollowed(ask, { isIdSaid: false }) } },
  { path: /^\/submit-stream$/, methods: { POST: (ask) => jobs.submitFollowed(ask, { isIdSaid: true }) } },
  { path: /^\/submit-async$/, methods: { POST: jobs.submit } },
  { path: /^\/jobs$/, methods: { GET: jobs.list } },
  { path: /^\/jobs\/([^/]+)$/, methods: { GET: oneJob(({ job }) => Response.json(job)) } },
  { path: /^\/jobs\/([^/]+)\/stream$/, methods: { GET: oneJob(jobs.follow) } },
  { path: /^\/jobs\/([^/]+)\/cancel$/, methods: { POST: oneJob(jobs.cancel) } },
  { path: /^\/jobs\/([^/]+)\/log$/, methods: { GET: oneJob(jobs.log) } },
  { path: /^\/jobs\/([^/]+)\/results$/, methods: { GET: oneJob(jobs.results) } },
  { path: /^\/jobs\/([^/]+)\/artifacts$/, methods: { GET: oneJob(jobs.artifacts) } },
  {
    path: /^\/jobs\/([^/]+)\/artifacts\/(.+)$/,
    methods: { GET: oneJob((ask) => jobs.artifact(ask, ask.words[1] ?? "")) },
  },
  { path: /^\/admin\/(users|keys)$/, methods: { GET: administer, POST: administer } },
  { path: /^\/admin\/(users)\/([^/]+)$/, methods: { GET: administer } },
  { path: /^\/admin\/(users)\/([^/]+)\/(activate|deactivate)$/, methods: { POST: administer } },
  { path: /^\/admin\/(keys)\/([^/]+)\/(revoke|rotate)$/, methods: { POST: administer } },
];

function match(pathname: string): { route: Route; words: string[] } | undefined {
  for (const route of routes) {
    const found = route.path.exec(pathname);
    if (found) return { route, words: found.slice(1) };
  }
  return undefined;
}

/** Only its own user comes to a job, whatever is asked of it. */
function oneJob(act: (ask: Ask & jobs.OneJobRequest) => Response | Promise<Response>): Act {
  return (ask) => {
    const id = ask.words[0] ?? "";
    const owner = ask.service.ownerOf(id);
    if (owner === undefined) return detail(404, "Job not found");
    if (owner !== ask.caller.userId) return detail(403, "Access denied");
    const job = ask.service.find(id);
    return job ? act({ ...ask, job }) : detail(404, "Job not found");
  };
}
