import { z } from "zod";
import { jsonOf } from "../../http/json.ts";
import { oneLine } from "../../safe-text.ts";
import type { Issue } from "./answers.ts";
import { isJobVariable } from "../env-file.ts";
import type { SubmitFields } from "../job.ts";

const Words = z.array(z.string());
const Variables = z.record(z.string().refine(isJobVariable), z.string().refine((text) => !text.includes("\0")));
const Name = z.string().transform((text) => oneLine(text)).pipe(z.string().max(200));
const Tags = z.array(z.string().transform((text) => oneLine(text)).pipe(z.string().min(1).max(100))).max(50);

/** What stood beside a form's file, as it can be used, or what is wrong with it. */
export function submitFieldsOf(fields: ReadonlyMap<string, string>): SubmitFields | { readonly issue: Issue } {
  const json = (name: string, other: string) => jsonOf(fields.get(name) ?? other);
  const args = Words.safeParse(json("args", "[]"));
  if (!args.success) return wrong("args", "list_type", "Input should be a JSON list of strings");
  const tags = Tags.safeParse(json("tags", "[]"));
  if (!tags.success) return wrong("tags", "list_type", "Input should be a JSON list of up to 50 short strings");
  const name = Name.safeParse(fields.get("name") ?? "");
  if (!name.success) return wrong("name", "string_too_long", "String should have at most 200 characters");
  const variables = Variables.safeParse(json("env", "{}"));
  // The input itself may be a secret, so it is never answered.
  if (!variables.success) {
    return wrong("env", "dict_type", "Input should be a JSON object of variables that a job may have");
  }
  return { args: args.data, tags: tags.data, env: variables.data, name: name.data || undefined };
}

function wrong(field: string, type: string, msg: string): { issue: Issue } {
  return { issue: { type, loc: ["body", field], msg, input: null } };
}
