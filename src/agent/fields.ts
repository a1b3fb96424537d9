/** What a request carries: named values, or why they cannot be read. */
export type Fields =
  | { readonly values: Readonly<Record<string, unknown>>; readonly isForm: boolean }
  | { readonly problem: string; readonly status: number };

/** No request of the status daemon's needs more. */
const maxBytes = 64 * 1024;

/** Reads a body as JSON or as a form, by what it says it is and, where it says nothing, by how it begins. */
export async function readFields(request: Request): Promise<Fields> {
  const text = await readText(request);
  if (text === undefined) return { problem: "the body is too long", status: 413 };
  const type = (request.headers.get("content-type") ?? "").toLowerCase();
  if (type.startsWith("multipart/form-data")) return await readMultipart(text, request);
  const isForm = type.startsWith("application/x-www-form-urlencoded");
  // `curl -d '{…}'` says that it sends a form.
  if (text.trim() === "") return { values: {}, isForm: !type.startsWith("application/json") };
  if (type.startsWith("application/json") || text.trimStart().startsWith("{")) return readJson(text);
  if (isForm || type === "" || type.startsWith("text/plain")) {
    return { values: Object.fromEntries(new URLSearchParams(text)), isForm: true };
  }
  return { problem: "the body is neither JSON nor a form", status: 415 };
}

function readJson(text: string): Fields {
  try {
    const values: unknown = JSON.parse(text);
    if (isRecord(values)) return { values, isForm: false };
  } catch {
    // Said below.
  }
  return { problem: "the body is not a JSON object", status: 400 };
}

async function readMultipart(text: string, request: Request): Promise<Fields> {
  try {
    const form = await new Response(text, { headers: request.headers }).formData();
    const values: Record<string, unknown> = {};
    form.forEach((value, name) => void (values[name] = value));
    return { values, isForm: true };
  } catch {
    return { problem: "the form cannot be read", status: 400 };
  }
}

async function readText(request: Request): Promise<string | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) return undefined;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
