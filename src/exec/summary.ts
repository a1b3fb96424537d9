import type { HostExecution, Status } from "./execution.ts";
import { foldNames } from "./ranges.ts";

export interface Ended extends Pick<HostExecution, "host" | "status" | "exitCode" | "signal" | "truncated"> {
  /** Why, in one line: what was printed first, or what went wrong. */
  readonly reason: string;
}

const order: readonly Status[] = ["ok", "failed", "timeout", "unreachable", "interrupted"];
const words: Readonly<Record<Status, string>> = {
  ok: "ok",
  failed: "failed",
  timeout: "timed out",
  unreachable: "unreachable",
  interrupted: "interrupted",
  started: "started",
};

/** So many kinds of failure are told apart. */
const mostKinds = 20;

/** Lines for people: how many went how, and which did not go well and why. */
export function summaryLines(ended: readonly Ended[], ms: number): string[] {
  const counts = order.map((status) => ({ status, count: ended.filter((one) => one.status === status).length }))
    .filter(({ count }) => count > 0);
  const took = ms < 100 ? "" : ` in ${(ms / 1000).toFixed(1)} s`;
  const kinds = kindsOf(ended.filter(({ status }) => status !== "ok"));
  const cut = ended.filter(({ truncated }) => truncated).map(({ host }) => host);
  return [
    ...kinds.slice(0, mostKinds).map(({ text, hosts }) => text.replace("\0", () => foldNames(hosts))),
    ...(kinds.length > mostKinds ? [`and ${kinds.length - mostKinds} other failures`] : []),
    ...(cut.length > 0
      ? [`warning: too much output, cut off: ${foldNames(cut)}; \`--output-dir\` keeps all of it`]
      : []),
    `${counts.map(({ status, count }) => `${count} ${words[status]}`).join(", ")}${took}`,
  ];
}

/** Failures that read the same are one line. The hosts go where the zero byte is. */
function kindsOf(failed: readonly Ended[]): { text: string; hosts: string[] }[] {
  const kinds = new Map<string, string[]>();
  for (const status of order) {
    for (const one of failed.filter((one) => one.status === status)) {
      const how = one.status !== "failed" ? "" : one.signal ? ` (${one.signal})` : exitOf(one.exitCode);
      const why = one.reason.replaceAll("\0", "");
      const text = `${words[status]}: \0${how}${why === "" || why === words[status] ? "" : `: ${why}`}`;
      kinds.set(text, [...(kinds.get(text) ?? []), one.host]);
    }
  }
  return [...kinds].map(([text, hosts]) => ({ text, hosts }));
}

/** There is none where it went wrong on this side. */
function exitOf(exitCode: number | null): string {
  return exitCode === null ? "" : ` (exit ${exitCode})`;
}
