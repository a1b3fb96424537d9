import type { SubmitFields } from "../job.ts";

/** A project as a multipart form whose length is not known before it is sent; what goes with it stands before it. */
export function uploadForm(
  zip: ReadableStream<Uint8Array>,
  { boundary, ...fields }: SubmitFields & { boundary: string },
): ReadableStream<Uint8Array> {
  return ReadableStream.from(partsOf(zip, fields, boundary));
}

async function* partsOf(
  zip: ReadableStream<Uint8Array>,
  { args = [], name, tags = [], env = {} }: SubmitFields,
  boundary: string,
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  const texts = {
    ...(args.length > 0 ? { args: JSON.stringify(args) } : {}),
    ...(name === undefined ? {} : { name }),
    ...(tags.length > 0 ? { tags: JSON.stringify(tags) } : {}),
    ...(Object.keys(env).length > 0 ? { env: JSON.stringify(env) } : {}),
  };
  for (const [field, text] of Object.entries(texts)) {
    yield encoder.encode(`--${boundary}\r\nContent-Disposition: form-data; name="${field}"\r\n\r\n${text}\r\n`);
  }
  yield encoder.encode(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="project.zip"\r\n` +
      "Content-Type: application/zip\r\n\r\n",
  );
  yield* zip;
  yield encoder.encode(`\r\n--${boundary}--\r\n`);
}
