import { HttpError } from "../../http/errors.ts";
import { requestJson, type Target } from "../../http/request.ts";
import { Health } from "../job.ts";

/** Asks which server it is. One that knows no such path, or keeps it for itself, is a plain one. */
export async function askHealth(target: Target): Promise<Health> {
  try {
    return await requestJson(target, { path: "/health", schema: Health });
  } catch (error) {
    const isPlain = error instanceof HttpError && error.reason === "status" &&
      [401, 403, 404, 405].includes(error.status ?? 0);
    if (isPlain) return { status: "unknown", features: [] };
    throw error;
  }
}
