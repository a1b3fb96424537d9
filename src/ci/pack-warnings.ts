import type { TreeFile } from "./tree.ts";

const largeProjectBytes = 200 * 2 ** 20;
const secretNames =
  /^(id_(rsa|dsa|ecdsa|ed25519)|.*\.(pem|key|p12|pfx|kdbx)|credentials.*|service[-_]account.*\.json)$/i;

/** What a person may want to know before a project leaves: secrets by their names, a large size. */
export function warningsOf(files: readonly TreeFile[], bytes: number): string[] {
  const secrets = files.filter(({ name }) => secretNames.test(name.slice(name.lastIndexOf("/") + 1)));
  const named = secrets.slice(0, 5).map(({ name }) => `\`${name}\``).join(", ");
  const more = secrets.length > 5 ? ` and ${secrets.length - 5} more` : "";
  return [
    ...(secrets.length > 0
      ? [`${named}${more} may hold secrets and will be sent; a line in \`.gpuignore\` leaves it out`]
      : []),
    ...(bytes > largeProjectBytes
      ? [`the project is ${Math.round(bytes / 2 ** 20)} MiB; a \`.gpuignore\` leaves out what the tests do not need`]
      : []),
  ];
}
