/** A project as a multipart form whose length is not known before it is sent. */
export function uploadForm(
  zip: ReadableStream<Uint8Array>,
  { args, boundary }: { args: readonly string[]; boundary: string },
): ReadableStream<Uint8Array> {
  return ReadableStream.from(partsOf(zip, { args, boundary }));
}

async function* partsOf(
  zip: ReadableStream<Uint8Array>,
  { args, boundary }: { args: readonly string[]; boundary: string },
): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  if (args.length > 0) {
    yield encoder.encode(
      `--${boundary}\r\nContent-Disposition: form-data; name="args"\r\n\r\n${JSON.stringify(args)}\r\n`,
    );
  }
  yield encoder.encode(
    `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="project.zip"\r\n` +
      "Content-Type: application/zip\r\n\r\n",
  );
  yield* zip;
  yield encoder.encode(`\r\n--${boundary}--\r\n`);
}
