import type { Rented } from "../fleet.ts";
import type { InstanceType, Region } from "./catalogue.ts";
import type { LaunchBody } from "./requests.ts";
import type { StoredFilesystem } from "./store.ts";

/** An instance as this cloud knows it. */
export interface LambdaInstance extends Rented {
  readonly body: LaunchBody;
  name: string | undefined;
  readonly type: InstanceType;
  readonly region: Region;
  readonly priceCentsPerHour: number;
  readonly mounts: readonly { readonly filesystem: StoredFilesystem; readonly mountPoint: string }[];
  readonly jupyterToken: string;
}

/** `Instance` of the API's document, and `ssh_port` beside it where SSH does not answer at port 22 of `ip`. */
export function instanceJson(instance: LambdaInstance, { canStopBooting }: { canStopBooting: boolean }) {
  const { spec, body, name, status, address, type, region, mounts, jupyterToken } = instance;
  const names = mounts.map(({ filesystem }) => filesystem.name);
  return {
    id: spec.id,
    name,
    ip: address?.host,
    ssh_port: address === undefined || address.port === 22 ? undefined : address.port,
    private_ip: address === undefined ? undefined : address.host.replace(/^127/, "10"),
    status,
    ssh_key_names: body.ssh_key_names,
    file_system_names: names,
    file_system_mounts: mounts.length === 0
      ? undefined
      : mounts.map(({ filesystem, mountPoint }) => ({ mount_point: mountPoint, file_system_id: filesystem.id })),
    region,
    instance_type: type,
    hostname: body.hostname ?? address?.host.replaceAll(".", "-"),
    jupyter_token: address === undefined ? undefined : jupyterToken,
    jupyter_url: address === undefined
      ? undefined
      : `https://jupyter-${spec.id}.emulated.invalid/?token=${jupyterToken}`,
    actions: actionsOf(status, canStopBooting),
    tags: body.tags,
  };
}

function actionsOf(status: Rented["status"], canStopBooting: boolean) {
  const blocked = {
    booting: { reason_code: "vm-has-not-launched", reason_description: "The instance has not launched yet." },
    terminating: { reason_code: "vm-is-terminating", reason_description: "The instance is being terminated." },
    terminated: { reason_code: "vm-is-terminating", reason_description: "The instance is terminated." },
    active: undefined,
    unhealthy: undefined,
  }[status];
  const action = blocked === undefined ? { available: true } : { available: false, ...blocked };
  const terminate = status === "booting" && canStopBooting ? { available: true } : action;
  return { migrate: action, rebuild: action, restart: action, cold_reboot: action, terminate };
}
