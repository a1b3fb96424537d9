import { abortable } from "../../http/body.ts";
import { connectionError } from "../../http/connection.ts";
import { readEventBatches } from "../../http/events.ts";
import { request, type Target } from "../../http/request.ts";

/** Our own server begins a stream of what is new with the number of the last line there is. */
export async function countLines(target: Target, path: string): Promise<number | undefined> {
  const { body } = await request(target, { path, headers: { accept: "text/event-stream" } });
  if (body === null) return undefined;
  const found = new AbortController();
  let count: number | undefined;
  const onId = (id: string) => {
    if (/^\d{1,15}$/.test(id)) count ??= Number(id);
    found.abort();
  };
  try {
    for await (const _lot of readEventBatches(abortable(body, found.signal), { onId }));
  } catch (error) {
    if (!found.signal.aborted) throw connectionError(error, { service: target.service, url: new URL(target.baseUrl) });
  }
  return count;
}
