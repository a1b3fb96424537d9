import type { Filesystem, Provider, ProviderSshKey } from "../../src/provider/provider.ts";

/** What only some providers can, in memory: keys, filesystems, restart, pause and resume. */
export function fakeAbilities(): Pick<Provider, "restart" | "pause" | "resume" | "sshKeys" | "filesystems"> {
  const keys: ProviderSshKey[] = [];
  const filesystems: Filesystem[] = [];
  let count = 0;
  return {
    restart: () => Promise.resolve(),
    pause: () => Promise.resolve(),
    resume: () => Promise.resolve(),
    sshKeys: {
      list: () => Promise.resolve(keys),
      add: (key) => {
        const added = { id: `key-${++count}`, ...key };
        keys.push(added);
        return Promise.resolve(added);
      },
      delete: (id) => Promise.resolve(void keys.splice(keys.findIndex((key) => key.id === id), 1)),
    },
    filesystems: {
      list: () => Promise.resolve(filesystems),
      create: ({ name, region }) => {
        const id = `fs-${++count}`;
        const made = { id, name, region, mountPoint: `/home/ubuntu/${name}`, isInUse: false, bytesUsed: 0 };
        filesystems.push(made);
        return Promise.resolve(made);
      },
      delete: (id) => Promise.resolve(void filesystems.splice(filesystems.findIndex((kept) => kept.id === id), 1)),
    },
  };
}
