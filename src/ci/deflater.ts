import { createDeflateRaw } from "node:zlib";

/** Deflate off this thread, one piece in, what is ready out. */
export function deflater() {
  const stream = createDeflateRaw({ level: 3 });
  let ready: Uint8Array[] = [];
  stream.on("data", (part: Uint8Array) => void ready.push(part));
  const taken = () => {
    const parts = ready;
    ready = [];
    return parts;
  };
  const settled = (start: (done: (error?: Error | null) => void) => void) =>
    new Promise<Uint8Array[]>((resolve, reject) => start((error) => (error ? reject(error) : resolve(taken()))));
  return {
    push: (content: Uint8Array) => settled((done) => stream.write(content, done)),
    end: () =>
      settled((done) => {
        stream.once("end", () => done());
        stream.end();
      }),
  };
}
