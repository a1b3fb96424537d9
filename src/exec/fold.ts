import { createHash } from "node:crypto";
import type { Attached, Context } from "../command.ts";
import { oneLine } from "../safe-text.ts";
import type { Sink } from "../world.ts";
import { Capture, nothingCaptured, type Room } from "./capture.ts";
import { prefixedLines } from "./harmless.ts";
import type { HostOutput, Output } from "./output.ts";
import { byName, foldNames } from "./ranges.ts";

interface Group {
  readonly hosts: string[];
  readonly capture: Capture;
}

/** Output at the end, once for all machines that printed the same, the largest such group first. */
export function foldedOutput({ around }: Pick<Context, "around">, terminal: Attached, room: Room): Output {
  const groups = new Map<string, Group>();
  const add = (host: string, capture: Capture) => {
    const hash = createHash("sha256").update(`${capture.isTruncated} ${capture.bytes("stdout").length} `);
    const key = hash.update(capture.bytes("stdout")).update(capture.bytes("stderr")).digest("hex");
    const known = groups.get(key);
    known?.hosts.push(host);
    if (known) capture.release();
    else groups.set(key, { hosts: [host], capture });
  };
  return {
    open(host): HostOutput {
      const capture = new Capture(room);
      return {
        write: (stream, chunk) => capture.add(stream, chunk),
        end(ran) {
          if (ran) add(host, capture);
          return Promise.resolve({ ...nothingCaptured, truncated: capture.isTruncated });
        },
      };
    },
    async end() {
      const largestFirst = [...groups.values()].toSorted((a, b) =>
        b.hosts.length - a.hosts.length || byName(a.hosts[0] ?? "", b.hosts[0] ?? "")
      );
      for (const group of largestFirst) await around(() => print(group, terminal));
    },
  };
}

async function print({ hosts, capture }: Group, { stdout, stderr }: Attached): Promise<void> {
  const count = hosts.length === 1 ? "" : ` (${hosts.length})`;
  const title = `${oneLine(foldNames(hosts))}${count}:`;
  const streams = { stdout: capture.bytes("stdout"), stderr: capture.bytes("stderr") };
  const isEmpty = streams.stdout.length + streams.stderr.length === 0;
  if (isEmpty) return await stdout.write(`${title} no output\n`);
  if (streams.stdout.length > 0) await printBody(stdout, title, streams.stdout);
  if (streams.stderr.length > 0) await printBody(stderr, title, streams.stderr);
}

/** So many bytes are made text at once. */
const sliceBytes = 2 ** 20;

async function printBody(sink: Sink, title: string, bytes: Buffer): Promise<void> {
  await sink.write(`${title}\n`);
  for (let at = 0; at < bytes.length;) {
    const newline = bytes.lastIndexOf(0x0a, at + sliceBytes) + 1;
    const end = at + sliceBytes >= bytes.length ? bytes.length : newline > at ? newline : at + sliceBytes;
    await sink.write(prefixedLines(bytes.subarray(at, end), { prefix: "", isTTY: sink.isTTY }));
    at = end;
  }
  if (bytes.at(-1) !== 0x0a) await sink.write("\n");
}
