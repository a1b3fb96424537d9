import { noPath, notEmulated } from "./answers.ts";
import { images, regions } from "./catalogue.ts";
import type { LambdaCloud } from "./cloud.ts";
import { InstanceIds, LaunchBody, NewFilesystem, NewKey, readBody, Renaming } from "./requests.ts";

interface Asked {
  readonly cloud: LambdaCloud;
  readonly request: Request;
  readonly url: URL;
  /** What stands in the path's braces. */
  readonly id: string;
  readonly now: number;
}

/** What an operation answers as `data`. */
type Answer = (asked: Asked) => unknown;

interface Route {
  readonly method: string;
  readonly path: RegExp;
  /** `operationId` of the API's document. */
  readonly operation: string;
  /** Absent: the emulator does not know it. */
  readonly answer?: Answer;
}

/** Which operation a request asks for; throws the API's refusal. */
export function findRoute(method: string, path: string): { route: Route; id: string } | undefined {
  for (const route of routes) {
    const match = route.method === method ? route.path.exec(path) : null;
    if (match) return { route, id: match.groups?.id ?? "" };
  }
  return undefined;
}

/** Does what is asked; throws the API's refusal. */
export async function answerRoute(found: ReturnType<typeof findRoute>, asked: Omit<Asked, "id">): Promise<unknown> {
  if (found === undefined) throw noPath();
  const { route: { answer, operation }, id } = found;
  if (answer === undefined) throw notEmulated(operation);
  return await answer({ ...asked, id });
}

function route(method: string, path: string, operation: string, answer?: Answer): Route {
  const pattern = path.replaceAll(/\{\w+\}/g, "(?<id>[^/]+)").replaceAll("*", "[^/]+");
  return { method, path: new RegExp(`^/api/v1${pattern}$`), operation, answer };
}

const routes: readonly Route[] = [
  route(
    "GET",
    "/instances",
    "listInstances",
    ({ cloud, url }) => url.searchParams.has("cluster_id") ? [] : cloud.list(),
  ),
  route("GET", "/instances/{id}", "getInstance", ({ cloud, id }) => cloud.get(id)),
  route(
    "POST",
    "/instances/{id}",
    "postInstance",
    async ({ cloud, id, request }) => cloud.rename(id, (await readBody(request, Renaming)).name),
  ),
  route(
    "POST",
    "/instance-operations/launch",
    "launchInstance",
    async ({ cloud, request }) => await cloud.launch(await readBody(request, LaunchBody)),
  ),
  route(
    "POST",
    "/instance-operations/terminate",
    "terminateInstance",
    async ({ cloud, request }) => cloud.terminate((await readBody(request, InstanceIds)).instance_ids),
  ),
  route(
    "POST",
    "/instance-operations/restart",
    "restartInstance",
    async ({ cloud, request }) => cloud.restart((await readBody(request, InstanceIds)).instance_ids),
  ),
  route("GET", "/instance-types", "listInstanceTypes", ({ cloud }) => cloud.types()),
  route("GET", "/ssh-keys", "listSSHKeys", ({ cloud }) => cloud.store.keys),
  route(
    "POST",
    "/ssh-keys",
    "addSSHKey",
    async ({ cloud, request }) => await cloud.store.addKey(await readBody(request, NewKey)),
  ),
  route("DELETE", "/ssh-keys/{id}", "deleteSSHKey", ({ cloud, id }) => {
    cloud.store.deleteKey(id);
    return {};
  }),
  // The spelling differs by verb.
  route("GET", "/file-systems", "listFilesystems", ({ cloud }) => cloud.filesystems()),
  route(
    "POST",
    "/filesystems",
    "createFilesystem",
    async ({ cloud, request, now }) =>
      cloud.filesystem(cloud.store.createFilesystem(await readBody(request, NewFilesystem), now)),
  ),
  route("DELETE", "/filesystems/{id}", "filesystemDelete", ({ cloud, id }) => {
    cloud.store.deleteFilesystem(id, cloud.isInUse(id));
    return { deleted_ids: [id] };
  }),
  route("GET", "/images", "listImages", () => images),
  route("GET", "/regions", "listRegions", () => regions),
  route("GET", "/firewall-rules", "firewallRulesList"),
  route("PUT", "/firewall-rules", "firewallRulesSet"),
  route("GET", "/firewall-rulesets", "firewallRulesetsList"),
  route("POST", "/firewall-rulesets", "createFirewallRuleset"),
  route("GET", "/firewall-rulesets/global", "getGlobalFirewallRuleset"),
  route("PATCH", "/firewall-rulesets/global", "updateGlobalFirewallRuleset"),
  route("GET", "/firewall-rulesets/{id}", "getFirewallRuleset"),
  route("PATCH", "/firewall-rulesets/{id}", "updateFirewallRuleset"),
  route("DELETE", "/firewall-rulesets/{id}", "deleteFirewallRuleset"),
  route("GET", "/audit-events", "getAuditEvents"),
  route("POST", "/fabric", "createFabricPartition"),
  route("POST", "/fabric/{id}", "updateFabricPartition"),
  route("DELETE", "/fabric/{id}", "deleteFabricPartition"),
  route("GET", "/tickets", "listTickets"),
  route("POST", "/tickets", "createTicket"),
  route("GET", "/tickets/{id}", "getTicket"),
  route("PATCH", "/tickets/{id}", "updateTicket"),
  route("GET", "/tickets/{id}/attachments", "listAttachments"),
  route("POST", "/tickets/{id}/attachments", "initiateAttachmentUpload"),
  route("DELETE", "/tickets/{id}/attachments/*", "deleteAttachment"),
  route("POST", "/tickets/{id}/attachments/*/complete", "completeAttachmentUpload"),
  route("GET", "/tickets/{id}/attachments/*/download", "getAttachmentDownloadUrl"),
];

/** The operation among orders of faults that the API does not have, if any. */
export function findUnknownOperation(orders: readonly (string | { readonly on: string })[]): string | undefined {
  const named = orders.flatMap((order) => typeof order === "string" ? [] : [order.on]);
  return named.find((name) => !routes.some(({ operation }) => operation === name));
}
