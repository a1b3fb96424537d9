import { open, rm } from "node:fs/promises";
import { z } from "zod";
import { reasonOf } from "../files.ts";
import { jsonOf } from "../http/json.ts";
import { detail, invalid } from "./answers.ts";
import { FormError, readForm } from "./multipart.ts";
import type { CiService } from "./service.ts";

const Args = z.array(z.string());

/** Writes the upload to disk and makes a job of it. Returns its id, or why not. */
export async function take(
  request: Request,
  { service, maxUploadBytes = 16 * 2 ** 30 }: { service: CiService; maxUploadBytes?: number },
): Promise<string | Response> {
  const idempotencyKey = request.headers.get("idempotency-key") ?? undefined;
  const known = service.findByKey(idempotencyKey);
  if (known !== undefined) return known;
  const id = service.newId();
  const path = service.uploadPath(id);
  let isTaken = false;
  try {
    await using file = await open(path, "wx", 0o600);
    let bytes = 0;
    const form = await readForm(request.body ?? new ReadableStream<Uint8Array>({ start: (end) => end.close() }), {
      contentType: request.headers.get("content-type") ?? "",
      async write(piece) {
        bytes += piece.length;
        if (bytes > maxUploadBytes) throw new TooLarge();
        for (let at = 0; at < piece.length;) at += (await file.write(piece, at)).bytesWritten;
      },
    });
    if (!form.hasFile) return invalid({ type: "missing", loc: ["body", "file"], msg: "Field required", input: null });
    const args = Args.safeParse(jsonOf(form.fields.get("args") ?? "[]"));
    if (!args.success) {
      return invalid({
        type: "list_type",
        loc: ["body", "args"],
        msg: "Input should be a JSON list of strings",
        input: null,
      });
    }
    const taken = service.submit({ id, args: args.data, idempotencyKey });
    isTaken = true;
    return taken;
  } catch (error) {
    if (error instanceof TooLarge) return detail(413, `The upload is larger than ${maxUploadBytes} bytes`);
    if (error instanceof FormError) return detail(400, "There was an error parsing the body");
    if (request.signal.aborted) return detail(400, "The upload was cut off");
    return detail(507, `The upload cannot be stored: ${reasonOf(error)}`);
  } finally {
    if (!isTaken) await rm(path, { force: true });
  }
}

class TooLarge extends Error {
  override name = "TooLarge";
}
