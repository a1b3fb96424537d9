// What the benchmark of streams needs of a client: less than a real one does.
import { zipSync } from "fflate";

/** A line of a log, and when it arrived, in milliseconds since 1970 with fractions. */
export interface Line {
  readonly text: string;
  readonly atMs: number;
}

/** Submits a project whose tests are one shell line. */
export async function submit(url: string, test: string): Promise<string> {
  const form = new FormData();
  const zip = zipSync({ "gpu-ci.yaml": new TextEncoder().encode(JSON.stringify({ test })) }, { level: 0 });
  form.set("file", new File([zip.slice()], "project.zip"));
  const answer = await fetch(`${url}/submit-async`, { method: "POST", body: form });
  if (!answer.ok) throw new Error(`a submission was answered with ${answer.status}`);
  return (await answer.json() as { job_id: string }).job_id;
}

/** Follows a job to its end. */
export async function openLine(url: string, id: string, onLine: (line: Line) => void): Promise<void> {
  const answer = await fetch(`${url}/jobs/${id}/stream?from_beginning=true`);
  const decoder = new TextDecoder();
  let text = "";
  for await (const piece of answer.body ?? []) {
    const atMs = performance.timeOrigin + performance.now();
    text += decoder.decode(piece, { stream: true });
    const parts = text.split("\n\n");
    text = parts.pop() ?? "";
    for (const part of parts) {
      const said = /"type":"log","data":"(.*?)\\n"/.exec(part)?.[1];
      if (said !== undefined) onLine({ text: said, atMs });
    }
  }
}
