import packageJson from "../../../package.json" with { type: "json" };
import { z } from "zod";
import { Artifact, Job, TestCounts } from "../job.ts";

type Operation = Readonly<Record<string, unknown>>;

/** What this server answers to, as an OpenAPI document (https://spec.openapis.org/oas/v3.1.1.html). */
export function openApi(): Readonly<Record<string, unknown>> {
  const one = [parameter("job_id", { in: "path", required: true })];
  return {
    openapi: "3.1.0",
    info: { title: "gpu ci serve", version: packageJson.version },
    paths: {
      "/health": { get: { ...answers("What this server can", z.object({ status: z.string() })), security: [] } },
      "/submit": { post: submission("Submit a project and follow its log", "text/event-stream") },
      "/submit-stream": { post: submission("The same, the job's id first", "text/event-stream") },
      "/submit-async": { post: submission("Submit a project", "application/json") },
      "/jobs": {
        get: {
          ...answers("The caller's own jobs, newest first", z.array(Job)),
          parameters: ["status", "since", "q", "limit"].map((name) => parameter(name, { in: "query" })),
        },
      },
      "/jobs/{job_id}": { get: { ...answers("One job", Job), parameters: one } },
      "/jobs/{job_id}/stream": {
        get: {
          ...contents("The log as it grows", "text/event-stream"),
          parameters: [
            ...one,
            parameter("from_beginning", { in: "query" }),
            parameter("Last-Event-ID", { in: "header" }),
          ],
        },
      },
      "/jobs/{job_id}/cancel": { post: { ...answers("Stop a job", Job), parameters: one } },
      "/jobs/{job_id}/log": {
        get: { ...contents("The log so far", "text/plain"), parameters: [...one, parameter("tail", { in: "query" })] },
      },
      "/jobs/{job_id}/results": { get: { ...answers("How many tests passed", TestCounts), parameters: one } },
      "/jobs/{job_id}/artifacts": {
        get: { ...answers("Files that the job left", z.array(Artifact)), parameters: one },
      },
      "/jobs/{job_id}/artifacts/{name}": {
        get: {
          ...contents("One of these files", "application/octet-stream"),
          parameters: [...one, parameter("name", { in: "path", required: true })],
        },
      },
    },
    components: { securitySchemes: { key: { type: "http", scheme: "bearer" } } },
    security: [{ key: [] }],
  };
}

function submission(summary: string, type: string): Operation {
  const text = { type: "string" };
  return {
    ...contents(summary, type),
    parameters: [parameter("Idempotency-Key", { in: "header" })],
    requestBody: {
      required: true,
      content: {
        "multipart/form-data": {
          schema: {
            type: "object",
            required: ["file"],
            properties: {
              file: { type: "string", format: "binary" },
              ...{ args: text, name: text, tags: text, env: text },
            },
          },
        },
      },
    },
  };
}

function answers(summary: string, schema: z.ZodType): Operation {
  return {
    summary,
    responses: {
      200: { description: "OK", content: { "application/json": { schema: z.toJSONSchema(schema, { io: "output" }) } } },
    },
  };
}

function contents(summary: string, type: string): Operation {
  return { summary, responses: { 200: { description: "OK", content: { [type]: {} } } } };
}

function parameter(name: string, how: { in: "path" | "query" | "header"; required?: boolean }): Operation {
  return { name, ...how, schema: { type: "string" } };
}
