import { hostParams, selectionOf } from "../hosts/params.ts";
import type { Selection } from "../hosts/target.ts";

const { host: _, ...reach } = hostParams;

/** How machines of one's own are reached; which ones is part of each path. */
export const reachParams = reach;

export type ReachFlags = Omit<Parameters<typeof selectionOf>[0], "host">;

/** The machine that a path names. */
export function targetOf(flags: ReachFlags, target: string | undefined): Selection {
  return selectionOf({ ...flags, host: [] }, target === undefined ? [] : [target]);
}
