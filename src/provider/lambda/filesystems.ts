import { z } from "zod";
import type { Filesystem, Filesystems } from "../provider.ts";
import type { LambdaApi } from "./api.ts";
import { Anything, Filesystem as WireFilesystem } from "./wire.ts";

/** Listed under `/file-systems`, made and deleted under `/filesystems`: the document spells it by verb. */
export function filesystemsOf(api: LambdaApi): Filesystems {
  return {
    async list(signal) {
      const schema = z.array(WireFilesystem);
      return (await api.call({ doing: "list the filesystems", path: "/file-systems", schema, signal })).map(
        filesystemOf,
      );
    },
    async create({ name, region }, signal) {
      const doing = `make the filesystem \`${name}\` in \`${region}\``;
      const body = { name, region };
      const schema = WireFilesystem;
      return filesystemOf(await api.call({ doing, path: "/filesystems", method: "POST", body, schema, signal }));
    },
    async delete(id, signal) {
      const path = `/filesystems/${encodeURIComponent(id)}`;
      await api.call({ doing: `delete the filesystem \`${id}\``, path, method: "DELETE", schema: Anything, signal });
    },
  };
}

function filesystemOf(filesystem: WireFilesystem): Filesystem {
  const { id, name, region, mount_point, is_in_use, bytes_used } = filesystem;
  return {
    id,
    name,
    region: region.name,
    mountPoint: mount_point,
    isInUse: is_in_use,
    bytesUsed: bytes_used ?? undefined,
  };
}
