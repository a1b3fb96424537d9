import { z } from "zod";
import { hostParams, selectionOf } from "../hosts/params.ts";
import type { Selection } from "../hosts/target.ts";

/** Flags that name the machine of a job which was started somewhere else. */
export const placeParams = {
  instance: z.string().optional().meta({
    complete: "instance",
    description: "instance it is on, where it was started on another computer",
  }),
  ...hostParams,
};

type Given = Omit<Parameters<typeof selectionOf>[0], "all" | "tag" | "hostsFile"> & { readonly instance?: string };

/** The machines that these flags name; undefined where they name none. */
export function placeOf({ instance, ...given }: Given): Selection | undefined {
  if (instance === undefined && given.host.length === 0) return undefined;
  return selectionOf(given, instance === undefined ? [] : [instance]);
}
