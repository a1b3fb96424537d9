/** A refusal as the API words it. Clients branch on the code, never on the message. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly status: number;
  readonly code: string;
  readonly suggestion: string | undefined;

  constructor(status: number, code: string, message: string, suggestion?: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.suggestion = suggestion;
  }
}

export const invalidKey = () =>
  new ApiError(
    401,
    "global/invalid-api-key",
    "The API key is not one of this emulator's.",
    "Use the key that it printed.",
  );

export const invalidParameters = (message: string) => new ApiError(400, "global/invalid-parameters", message);

export const noInstance = () =>
  new ApiError(404, "global/object-does-not-exist", "There is no such instance.", "List the instances.");

/** What a launch refers to and nobody has: 400, where the same code elsewhere is a 404. */
export const launchLacks = (what: string) =>
  new ApiError(
    400,
    "global/object-does-not-exist",
    `There is no ${what}.`,
    "List what there is, and name one of these.",
  );

export const noCapacity = () =>
  new ApiError(
    400,
    "instance-operations/launch/insufficient-capacity",
    "There is not enough capacity for this launch.",
    "Try another instance type or region, or try later.",
  );

export const quotaExceeded = () =>
  new ApiError(400, "global/quota-exceeded", "The quota is used up.", "Terminate an instance first.");

export const conflict = (message: string) => new ApiError(409, "global/conflict", message);

export const noPath = () => new ApiError(404, "global/not-found", "There is nothing here.");

export const notEmulated = (operation: string) =>
  new ApiError(501, "emulator/not-implemented", `The emulator does not know \`${operation}\`.`);

export function answerOf(error: ApiError): Response {
  const { status, code, message, suggestion } = error;
  return Response.json({ error: { code, message, suggestion } }, { status });
}

/** What stands before the API answers instead of it: HTML, without the envelope, without Retry-After. */
export function tooMany(): Response {
  return page(429, "Too Many Requests", "error code: 1015", { server: "cloudflare" });
}

/** The same where it is not by chance: with the rates that are kept, as draft-ietf-httpapi-ratelimit-headers says them. */
export function overTheRate(): Response {
  const answer = tooMany();
  answer.headers.set("ratelimit-policy", `"requests";q=1;w=1, "launches";q=1;w=12`);
  return answer;
}

/** The kinds of trouble that a server or what stands before it has; `at` from 0 to 1 chooses one. */
export function serverTrouble(at: number): Response {
  const troubles = [
    () => answerOf(new ApiError(500, "global/internal-error", "Something went wrong here.", "Try again later.")),
    () =>
      answerOf(
        new ApiError(503, "provider/internal-unavailable", "The provider is unavailable.", "Try again shortly."),
      ),
    () => page(502, "Bad Gateway", "error code: 502", { server: "cloudflare" }),
    () => page(504, "Gateway Time-out", "error code: 504", { server: "cloudflare" }),
  ];
  return (troubles[Math.floor(at * troubles.length)] ?? tooMany)();
}

function page(status: number, title: string, text: string, headers: Readonly<Record<string, string>>): Response {
  const html = `<!DOCTYPE html>\n<html><head><title>${title}</title></head>\n<body>${text}</body></html>\n`;
  return new Response(html, { status, headers: { "content-type": "text/html; charset=UTF-8", ...headers } });
}

/** Ends the connection without a word of an answer. */
export function cutConnection(): Response {
  return new Response(new ReadableStream({ start: (controller) => controller.error() }));
}
