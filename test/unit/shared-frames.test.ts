import { expect, test } from "bun:test";
import { encodeFrame, type Frame, frameKinds, FrameReader, readAck, streams } from "../../src/background/frames.ts";
import { Inflow, Outflow } from "../../src/background/streams.ts";
import { mayBeShared } from "../../src/shortcut.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (chunk: Uint8Array) => new TextDecoder().decode(chunk);

test("frames come out whole, however they were cut", () => {
  const sent = [bytes(""), bytes("a"), bytes("x".repeat(70_000)), bytes("end")];
  const wire = Buffer.concat(sent.map((payload) => encodeFrame(frameKinds.data, payload)));
  for (const size of [1, 2, 3, 7, 1000, 65_536, wire.length]) {
    const reader = new FrameReader();
    const frames: Frame[] = [];
    for (let at = 0; at < wire.length; at += size) frames.push(...reader.push(wire.subarray(at, at + size)));
    expect(frames.map(({ payload }) => text(payload))).toEqual(sent.map(text));
  }
});

test("what is no frame is not waited for", () => {
  expect(() => new FrameReader().push(Uint8Array.of(1, 255, 255, 255, 255))).toThrow("too long");
});

/** Both ends of a stream, with what is on its way kept until it is handed over. */
function joined() {
  let onTheWay = 0;
  const acks: number[] = [];
  const inflow = new Inflow((_kind, ...payload) => acks.push(readAck(Buffer.concat(payload)).byteCount), streams.stdin);
  const outflow = new Outflow((kind, _stream, payload) => {
    if (kind === frameKinds.end) return inflow.end();
    onTheWay += payload?.length ?? 0;
    inflow.push(payload ?? new Uint8Array());
  }, streams.stdin);
  return { inflow, outflow, acks, onTheWay: () => onTheWay };
}

test("who writes is held back until somebody reads, and nothing is lost", async () => {
  const { inflow, outflow, acks, onTheWay } = joined();
  let written = 0;
  const chunk = new Uint8Array(300_000);
  const writing = (async () => {
    for (let count = 0; count < 20; count++) {
      await outflow.write(chunk);
      written += chunk.length;
    }
    outflow.end();
  })();
  await Bun.sleep(1);
  expect(onTheWay()).toBeLessThan(1_200_000);
  let read = 0;
  for await (const part of inflow.read()) {
    read += part.length;
    for (const count of acks.splice(0)) outflow.acknowledge(count);
    await Promise.resolve();
    expect(onTheWay() - read).toBeLessThan(1_200_000);
  }
  await writing;
  expect([read, written]).toEqual([6_000_000, 6_000_000]);
});

test("more than there is room for is refused", () => {
  const { inflow } = joined();
  expect(() => {
    for (let count = 0; count < 100; count++) inflow.push(new Uint8Array(64 * 1024));
  }).toThrow("room");
});

test("a reader that leaves takes nothing with it", async () => {
  const { inflow } = joined();
  inflow.push(bytes("a"));
  inflow.push(bytes("b"));
  for await (const part of inflow.read()) {
    expect(text(part)).toBe("a");
    break;
  }
  const stop = new AbortController();
  for await (const part of inflow.read(stop.signal)) {
    expect(text(part)).toBe("b");
    stop.abort();
  }
  inflow.push(bytes("c"));
  inflow.end();
  expect((await Array.fromAsync(inflow.read())).map(text)).toEqual(["c"]);
});

test("a write to whom nobody reads fails with the reason", async () => {
  const { outflow } = joined();
  const writing = outflow.write(new Uint8Array(3_000_000));
  writing.catch(() => {});
  outflow.fail(new Error("gone"));
  await expect(writing).rejects.toThrow();
  await expect(outflow.write(bytes("x"))).rejects.toThrow("gone");
});

test.each([
  [["exec", "box", "--", "true"], true],
  [["exec", "--host", "me@n1", "-i", "k", "--port=22", "--", "ls", "--no-share"], true],
  [["exec", "box", "--no-share", "--", "true"], false],
  [["exec", "box", "--output-dir", "o", "--", "true"], false],
  [["exec", "box", "true"], false],
  [["--json", "exec", "box", "--", "true"], false],
  [["ssh", "box", "--", "true"], false],
])("%p may be shared: %p", (argv, isShared) => {
  expect(mayBeShared(argv, {})).toBe(isShared);
  expect(mayBeShared(argv, { GPU_NO_SHARE: "1" })).toBe(false);
});
