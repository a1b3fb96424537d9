import {
  attributeFields,
  type Attributes,
  type Name,
  packet,
  replies,
  type Status,
  statusCodes,
  string,
  uint32,
  uint64,
} from "../sftp/wire.ts";

export function versionReply(extensions: Readonly<Record<string, string>>): Buffer {
  const fields = Object.entries(extensions).flatMap(([name, version]) => [string(name), string(version)]);
  return packet(replies.version, uint32(3), ...fields);
}

export function statusReply(id: number, status: Status, message = status === "ok" ? "" : status): Buffer {
  return packet(replies.status, uint32(id), uint32(statusCodes[status]), string(message), string(""));
}

export function handleReply(id: number, handle: Buffer): Buffer {
  return packet(replies.handle, uint32(id), string(handle));
}

export function dataReply(id: number, data: Buffer): Buffer {
  return packet(replies.data, uint32(id), string(data));
}

export function nameReply(id: number, names: readonly Name[]): Buffer {
  const entries = names.flatMap(({ name, longName, attributes }) => [
    string(name),
    string(longName),
    attributeFields(attributes),
  ]);
  return packet(replies.name, uint32(id), uint32(names.length), ...entries);
}

export function attributesReply(id: number, attributes: Attributes): Buffer {
  return packet(replies.attributes, uint32(id), attributeFields(attributes));
}

/** `limits@openssh.com`: larger reads and writes than the 32 KiB that every server takes. */
export function limitsReply(id: number, limits: { packet: number; read: number; write: number }): Buffer {
  const fields = [limits.packet, limits.read, limits.write, 0].map(uint64);
  return packet(replies.extended, uint32(id), ...fields);
}
