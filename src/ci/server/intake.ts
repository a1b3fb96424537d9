import { type FileHandle, open } from "node:fs/promises";
import { systemCode } from "../../errors.ts";
import { reasonOf } from "../../files.ts";
import type { Clock, World } from "../../world.ts";
import { type Caller, unknownKey } from "./access.ts";
import { detail, invalid } from "./answers.ts";
import { newJobId } from "./job-id.ts";
import { FormError, readForm } from "./multipart.ts";
import type { CiService } from "./service.ts";
import { submitFieldsOf } from "./submit-fields.ts";

export interface IntakeOptions {
  readonly world: Pick<World, "clock" | "random">;
  readonly service: CiService;
  readonly caller: Caller;
  /** 16 GiB when left out. */
  readonly maxUploadBytes?: number;
}

/** Beside the file: the fields and what stands between the parts. */
const roomForFields = 8 * 2 ** 20;

/** Writes the upload to disk and makes a job of it. Returns its id, or why not. What is cut off leaves nothing. */
export async function take(request: Request, options: IntakeOptions): Promise<string | Response> {
  const { world, service, caller, maxUploadBytes = 16 * 2 ** 30 } = options;
  const { userId } = caller;
  const idempotencyKey = request.headers.get("idempotency-key") ?? undefined;
  if (idempotencyKey !== undefined && idempotencyKey.length > 200) {
    return detail(400, "The idempotency key is too long");
  }
  const known = service.findByKey({ userId, idempotencyKey });
  if (known !== undefined) return known;
  if (service.isStopping) return detail(503, "The server is stopping", { "retry-after": "5" });
  const maxBytes = maxUploadBytes + roomForFields;
  const id = newJobId(world);
  let isTaken = false;
  try {
    if (Number(request.headers.get("content-length") ?? 0) > maxBytes) throw new Refusal("too-large");
    await using file = await open(service.places.upload(id), "wx", 0o600);
    const body = guarded(request.body, { clock: world.clock, maxBytes, signal: request.signal });
    let bytes = 0;
    const form = await readForm(body, {
      contentType: request.headers.get("content-type") ?? "",
      async write(piece) {
        bytes += piece.length;
        if (bytes > maxUploadBytes) throw new Refusal("too-large");
        if (!service.hasRoom(piece.length)) throw new Refusal("no-room");
        await writeAll(file, piece);
      },
    });
    if (!form.hasFile) return invalid({ type: "missing", loc: ["body", "file"], msg: "Field required", input: null });
    const fields = submitFieldsOf(form.fields);
    if ("issue" in fields) return invalid(fields.issue);
    if (caller.isStillAccepted?.() === false) return unknownKey();
    if (service.isStopping) return detail(503, "The server is stopping", { "retry-after": "5" });
    const { args = [], name, tags, env } = fields;
    const taken = service.submit({ id, userId, args, name, tags, variables: env, idempotencyKey });
    isTaken = true;
    return taken;
  } catch (error) {
    return refusalOf(error, { request, maxUploadBytes });
  } finally {
    if (!isTaken) service.discard(id);
  }
}

function refusalOf(
  error: unknown,
  { request, maxUploadBytes }: { request: Request; maxUploadBytes: number },
): Response {
  if (error instanceof Refusal) {
    if (error.reason === "too-large") return detail(413, `The upload is larger than ${maxUploadBytes} bytes`);
    if (error.reason === "too-slow") return detail(408, "The upload came too slowly");
    return detail(
      507,
      "The upload cannot be stored: the server keeps no more than it was told to, and that is used up",
    );
  }
  if (error instanceof FormError) return detail(400, "There was an error parsing the body");
  if (request.signal.aborted || systemCode(error) === undefined) return detail(400, "The upload was cut off");
  return detail(507, `The upload cannot be stored: ${reasonOf(error)}`);
}

class Refusal extends Error {
  override name = "Refusal";
  readonly reason: "too-large" | "too-slow" | "no-room";

  constructor(reason: Refusal["reason"]) {
    super(reason);
    this.reason = reason;
  }
}

/** A body may stand still for so long, and in all come no slower than this. */
const patience = { stillMs: 60_000, bytesPerSecond: 512 };

/** A body that does not go on for ever, neither in bytes nor in time. */
async function* guarded(
  body: ReadableStream<Uint8Array> | null,
  { clock, maxBytes, signal }: { clock: Clock; maxBytes: number; signal: AbortSignal },
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const begunMs = clock.monotonic();
  let bytes = 0;
  const reader = body.getReader();
  try {
    for (;;) {
      const piece = await inTime(reader.read(), { clock, signal });
      if (piece.done) return;
      bytes += piece.value.length;
      if (bytes > maxBytes) throw new Refusal("too-large");
      const allowedMs = patience.stillMs + bytes / patience.bytesPerSecond * 1000;
      if (clock.monotonic() - begunMs > allowedMs) throw new Refusal("too-slow");
      yield piece.value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

async function inTime<T>(work: Promise<T>, { clock, signal }: { clock: Clock; signal: AbortSignal }): Promise<T> {
  const done = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  clock.sleep(patience.stillMs, AbortSignal.any([signal, done.signal])).then(
    () => reject(new Refusal("too-slow")),
    () => reject(new FormError("the form was cut off")),
  );
  promise.catch(() => {});
  try {
    return await Promise.race([work, promise]);
  } finally {
    done.abort();
    work.catch(() => {});
  }
}

async function writeAll(file: FileHandle, piece: Uint8Array): Promise<void> {
  for (let at = 0; at < piece.length;) at += (await file.write(piece, at)).bytesWritten;
}
