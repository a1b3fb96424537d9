import { createHash, timingSafeEqual } from "node:crypto";
import type { World } from "../world.ts";
import { detail, invalid } from "./answers.ts";
import { take } from "./intake.ts";
import { features } from "./job.ts";
import { type CiService, wireTime } from "./service.ts";
import { eventStream } from "./sse.ts";

export interface CiServerOptions {
  readonly world: Pick<World, "clock">;
  readonly service: CiService;
  /** The one user's key. */
  readonly token: string;
  readonly maxUploadBytes?: number;
}

type Handler = (request: Request) => Promise<Response>;

/** Answers requests of the CI protocol, in the existing server's words. */
export function ciHandler(options: CiServerOptions): Handler {
  return async (request) => {
    const { pathname } = new URL(request.url);
    const route = routes.find(({ path }) => path.test(pathname));
    if (!route) return detail(404, "Not Found");
    const act = route.methods[request.method];
    if (!act) return detail(405, "Method Not Allowed");
    if (!route.isOpen) {
      const refusal = refuse(request, options.token);
      if (refusal) return refusal;
    }
    return await act(request, { ...options, id: route.path.exec(pathname)?.[1] ?? "" });
  };
}

interface Route {
  readonly path: RegExp;
  readonly isOpen?: boolean;
  readonly methods: Readonly<
    Record<string, (request: Request, options: CiServerOptions & { id: string }) => Response | Promise<Response>>
  >;
}

const routes: readonly Route[] = [
  {
    path: /^\/health$/,
    isOpen: true,
    methods: { GET: () => Response.json({ status: "ok", server: "gpu", features }) },
  },
  {
    path: /^\/submit$/,
    methods: { POST: (request, options) => submitFollowed(request, options, { isIdSaid: false }) },
  },
  {
    path: /^\/submit-stream$/,
    methods: { POST: (request, options) => submitFollowed(request, options, { isIdSaid: true }) },
  },
  {
    path: /^\/submit-async$/,
    methods: {
      async POST(request, options) {
        const taken = await take(request, options);
        return taken instanceof Response ? taken : Response.json({ job_id: taken });
      },
    },
  },
  { path: /^\/jobs$/, methods: { GET: list } },
  {
    path: /^\/jobs\/([^/]+)$/,
    methods: {
      GET(_request, { service, id }) {
        const job = service.find(id);
        return job ? Response.json(job) : detail(404, "Job not found");
      },
    },
  },
  { path: /^\/jobs\/([^/]+)\/stream$/, methods: { GET: follow } },
  {
    path: /^\/jobs\/([^/]+)\/cancel$/,
    methods: {
      async POST(_request, { service, id }) {
        if (!service.find(id)) return detail(404, "Job not found");
        const isCancelled = await service.cancel(id);
        return isCancelled ? Response.json(service.find(id)) : detail(409, "Job already completed");
      },
    },
  },
];

async function submitFollowed(
  request: Request,
  options: CiServerOptions,
  { isIdSaid }: { isIdSaid: boolean },
): Promise<Response> {
  const taken = await take(request, options);
  if (taken instanceof Response) return taken;
  const { service, world } = options;
  return eventStream({ service, clock: world.clock, id: taken, isIdSaid, after: 0, signal: request.signal });
}

function list(request: Request, { service }: CiServerOptions): Response {
  const query = new URL(request.url).searchParams;
  const since = query.get("since");
  const limit = query.get("limit");
  if (since !== null && Number.isNaN(Date.parse(since))) {
    return invalid({
      type: "datetime_parsing",
      loc: ["query", "since"],
      msg: "Input should be a valid datetime",
      input: since,
    });
  }
  if (limit !== null && !/^\d{1,9}$/.test(limit)) {
    return invalid({
      type: "int_parsing",
      loc: ["query", "limit"],
      msg: "Input should be a valid integer",
      input: limit,
    });
  }
  return Response.json(service.list({
    status: query.get("status") ?? undefined,
    since: since === null ? undefined : wireTime(Date.parse(since)),
    q: query.get("q") ?? undefined,
    limit: limit === null ? undefined : Number(limit),
  }));
}

const booleans: Readonly<Record<string, boolean>> = {
  true: true,
  "1": true,
  on: true,
  yes: true,
  t: true,
  y: true,
  false: false,
  "0": false,
  off: false,
  no: false,
  f: false,
  n: false,
};

function follow(request: Request, { service, world, id }: CiServerOptions & { id: string }): Response {
  if (!service.find(id)) return detail(404, "Job not found");
  const asked = new URL(request.url).searchParams.get("from_beginning") ?? "false";
  const fromBeginning = booleans[asked.toLowerCase()];
  if (fromBeginning === undefined) {
    return invalid({
      type: "bool_parsing",
      loc: ["query", "from_beginning"],
      msg: "Input should be a valid boolean, unable to interpret input",
      input: asked,
    });
  }
  const lastId = /^\d{1,15}$/.exec(request.headers.get("last-event-id") ?? "")?.[0];
  const after = lastId !== undefined ? Number(lastId) : fromBeginning ? 0 : "now";
  return eventStream({ service, clock: world.clock, id, isIdSaid: false, after, signal: request.signal });
}

function refuse(request: Request, token: string): Response | undefined {
  const header = (request.headers.get("authorization") ?? "").trim();
  if (header === "" || /^bearer$/i.test(header)) return detail(403, "Not authenticated");
  if (!/^bearer\s/i.test(header)) return detail(403, "Invalid authentication credentials");
  if (isSameSecret(bearerOf(request), token)) return undefined;
  return detail(401, "Invalid or revoked API key", { "www-authenticate": "Bearer" });
}

/** Compares two secrets in a time that says nothing about either. */
export function isSameSecret(given: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return expected !== "" && timingSafeEqual(digest(given), digest(expected));
}

/** The key of an `Authorization: Bearer` header, "" without one. */
export function bearerOf(request: Request): string {
  return /^bearer\s+(\S.*)$/i.exec(request.headers.get("authorization") ?? "")?.[1]?.trim() ?? "";
}
