import { expect, test } from "bun:test";
import { Conduit, ReaderGone } from "../../src/recipe/conduit.ts";
import { type Executor, pipelineExitCode, runPipeline, type Stage } from "../../src/recipe/pipeline.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (chunk: Uint8Array) => new TextDecoder().decode(chunk);

async function run(executors: readonly Executor[], forgiven: readonly boolean[] = []) {
  const stages = executors.map((execute, index): Stage => ({
    command: `c${index}`,
    execute,
    isForgiven: forgiven[index],
  }));
  let printed = "";
  const exits = await runPipeline(stages, {
    signal: new AbortController().signal,
    input: undefined,
    stdout: (chunk) => void (printed += text(chunk)),
    stderr() {},
  });
  return { printed, exits, exitCode: pipelineExitCode(stages, exits) };
}

/** Prints for as long as somebody reads, or so often. */
const printing = (line: string, { times = Infinity, exitCode = 0 } = {}): Executor & { written: number } => {
  const execute = Object.assign(async (_command: string, { output }: Parameters<Executor>[1]) => {
    for (let i = 0; i < times; i++) {
      await output(bytes(line), "stdout");
      execute.written += line.length;
    }
    return { exitCode };
  }, { written: 0 });
  return execute;
};
const reading = ({ lines = Infinity, exitCode = 0 } = {}): Executor => async (_command, { input, output }) => {
  let left = lines;
  for await (const chunk of input ?? []) {
    await output(chunk, "stdout");
    if (--left === 0) break;
  }
  return { exitCode };
};

test("what one prints is what the next one reads", async () => {
  expect(await run([printing("a\n", { times: 3 }), reading(), reading()])).toMatchObject({
    printed: "a\na\na\n",
    exitCode: 0,
  });
});

test("a reader that ends early ends the writer, and that is no failure", async () => {
  const writer = printing("x".repeat(64 * 1024));
  const { exits, exitCode } = await run([writer, reading({ lines: 2 })]);
  expect({ isCut: exits[0]?.isCut, exitCode }).toEqual({ isCut: true, exitCode: 0 });
  expect(writer.written).toBeLessThan(2 ** 20);
});

test("a writer waits for its reader, with little in memory", async () => {
  const conduit = new Conduit();
  let written = 0;
  const writing = (async () => {
    for (; written < 4096; written++) await conduit.write(new Uint8Array(64 * 1024));
    conduit.end();
  })();
  await new Promise((resolve) => setImmediate(resolve));
  expect(written).toBeLessThan(16);
  let read = 0;
  for await (const chunk of conduit) read += chunk.length;
  await writing;
  expect(read).toBe(4096 * 64 * 1024);
});

test("a writer that waits is told at once that nobody reads any more, and a reader that waits that it need not", async () => {
  const conduit = new Conduit();
  const writing = (async () => {
    for (;;) await conduit.write(new Uint8Array(2 ** 20));
  })();
  conduit.leave();
  await expect(writing).rejects.toBeInstanceOf(ReaderGone);
  const empty = new Conduit();
  const next = empty[Symbol.asyncIterator]();
  const waiting = next.next();
  await next.return?.();
  expect(await waiting).toEqual({ done: true, value: undefined });
});

test("the exit code is that of the last that failed, but for one that does not count", async () => {
  const three = (codes: readonly number[], forgiven: readonly boolean[] = []) =>
    run([
      printing("a", { times: 1, exitCode: codes[0] }),
      reading({ exitCode: codes[1] }),
      reading({ exitCode: codes[2] }),
    ], forgiven);
  expect((await three([0, 0, 0])).exitCode).toBe(0);
  expect((await three([2, 0, 0])).exitCode).toBe(2);
  expect((await three([2, 3, 0])).exitCode).toBe(3);
  expect((await three([2, 3, 0], [false, true])).exitCode).toBe(2);
});

test("one whose machine is lost ends the others, which do not take it for the end of its output", async () => {
  const lost: Executor = async (_command, { output }) => {
    await output(bytes("half"), "stdout");
    throw new Error("the connection was lost");
  };
  let outcome = "";
  const writingFile: Executor = async (_command, { input }) => {
    try {
      for await (const _ of input ?? []) { /* into a file */ }
      outcome = "the file is whole";
    } catch (error) {
      outcome = "the file is broken off";
      throw error;
    }
    return { exitCode: 0 };
  };
  await expect(run([lost, writingFile])).rejects.toThrow("the connection was lost");
  expect(outcome).toBe("the file is broken off");
});

test("a reader that is lost ends its writer, whose own end is not what is said", async () => {
  const lost: Executor = async (_command, { input }) => {
    for await (const _ of input ?? []) throw new Error("the connection was lost");
    return { exitCode: 0 };
  };
  await expect(run([printing("a"), lost])).rejects.toThrow("the connection was lost");
});
