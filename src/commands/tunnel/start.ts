import { z } from "zod";
import { openness, Tunnel, tunnelText } from "../../background/tunnel.ts";
import type { Destination } from "../../background/tunnel-protocol.ts";
import { type Context, defineCommand } from "../../command.ts";
import { UsageError } from "../../errors.ts";
import { hostParams, reachWords, selectionOf } from "../../hosts/params.ts";
import type { Target } from "../../hosts/target.ts";
import type { Route } from "../../ssh/forward.ts";

export default defineCommand({
  name: "tunnel start",
  summary: "Forward ports to a machine and back, in the background",
  description:
    "The tunnel goes on when this command has ended, and reconnects when its connection is lost or falls silent; the local\n" +
    "ports stay, and who connects meanwhile waits. A forward is [bind:]local:[host:]remote. Local port 0 is any free one;\n" +
    "remote `ci` or `agent` is an instance's own service. Ports are open to this computer alone unless told otherwise.",
  effect: "write",
  examples: [
    { command: "gpu tunnel start --forward 8000:8000", says: "the model server of the only instance" },
    { command: "gpu tunnel start trainer --forward 0:ci", says: "its CI server, on any free port" },
    {
      command: "gpu tunnel start --host ada@lab --forward 5432:db:5432 --name db",
      says: "a database behind a machine of yours",
    },
    { command: "gpu tunnel start trainer --reverse 9000:3000", says: "its port 9000 leads to port 3000 here" },
    { command: "gpu tunnel start trainer --socks 1080", says: "a SOCKS proxy: names are resolved over there" },
  ],
  input: z.object({
    target: z.string().optional().meta({
      positional: true,
      complete: "instance|host",
      description:
        "instance by id, unique beginning of an id or name, or a host; may be left out where there is one instance",
    }),
    forward: z.array(z.string()).optional().meta({
      short: "L",
      placeholder: "local:remote",
      description:
        "port here that leads there; the configuration's `tunnel.forwards` for an instance when nothing is said, else 8000, 5678 and 8080:agent",
    }),
    reverse: z.array(z.string()).optional().meta({
      short: "R",
      placeholder: "remote:local",
      description: "port there that leads here, as in [bind:]remote:[host:]local; 0 lets the machine choose",
    }),
    socks: z.array(z.string()).optional().meta({
      short: "D",
      placeholder: "port",
      description: "port here that speaks SOCKS 4a and 5, as in [bind:]port",
    }),
    name: z.string().min(1).max(100).regex(/^[^\p{C}]*$/u, "a name without control characters").optional().describe(
      "name to stop it by; that of the machine when left out",
    ),
    ...hostParams,
    instanceId: z.string().optional().meta({
      hidden: true,
      complete: "instance",
      description: "the instance, as a flag",
    }),
  }),
  output: Tunnel,
  async run({ target: named, instanceId, forward, reverse = [], socks = [], name, ...given }, context) {
    const word = named ?? instanceId;
    const { parseReverse, parseSocks } = await import("../../ssh/forward.ts");
    const { selectTarget } = await import("../../hosts/select.ts");
    const { startTunnel } = await import("../../background/tunnel-client.ts");
    const { toTunnel } = await import("../../background/tunnel.ts");
    const { personAt } = await import("../../hosts/ask-person.ts");
    const { world, signal, progress } = context;
    const others = [...reverse.map(parseReverse), ...socks.map(parseSocks)];
    const target = await selectTarget(context, selectionOf(given, word === undefined ? [] : [word]));
    const routes = [...await forwardsOf(context, target, forward ?? (others.length > 0 ? [] : undefined)), ...others];
    const to = await destinationOf(context, target);
    progress(`opening a tunnel to ${target.name}`);
    const report = await startTunnel(
      world,
      { name: name ?? target.name, to, routes, reach: reachWords(word, given) },
      { signal, ask: personAt(context) },
    );
    return toTunnel(report);
  },
  async handle(tunnel, context) {
    const { tunnelHandleOf } = await import("../../recipe/tunnel.ts");
    return await tunnelHandleOf(tunnel, context);
  },
  view: (tunnel) => [
    tunnelText(tunnel),
    ...openness(tunnel).map((text) => ({ stderr: text })),
    ...(tunnel.instance !== null && tunnel.forwards.some(isService)
      ? [{ stderr: `\`gpu ci submit test --instance ${tunnel.instance}\` submits to its CI server, key included` }]
      : []),
  ],
});

function isService({ kind, remoteHost, remotePort }: Tunnel["forwards"][number]): boolean {
  return kind === "local" && (remoteHost === "ci" || remotePort === 8080);
}

/** What leads from here to there, services by their host and port. */
async function forwardsOf(context: Context, target: Target, forward: readonly string[] | undefined): Promise<Route[]> {
  const { parseForward, resolveForward } = await import("../../ssh/forward.ts");
  if (target.kind === "instance") {
    const { facts } = await context.provider(target.launch.provider);
    const wanted = forward ?? (await context.config()).tunnel.forwards ?? ["8000:8000", "5678:5678", "8080:agent"];
    return wanted.map((each) => resolveForward(parseForward(each), facts.services));
  }
  if (forward === undefined) {
    throw new UsageError(`nothing is said about what a tunnel to \`${target.name}\` carries`, {
      hint: "`--forward 8000:8000`, `--reverse 9000:3000` or `--socks 1080`",
    });
  }
  return forward.map((each) => {
    const parsed = parseForward(each);
    if ("port" in parsed.to) return resolveForward(parsed, { ci: parsed.to, agent: parsed.to });
    throw new UsageError(`the forward \`${each}\` names a service of rented instances`, {
      hint: "a forward to a host leads to a port",
    });
  });
}

async function destinationOf({ world }: Context, target: Target): Promise<Destination> {
  if (target.kind === "host") return { kind: "host", name: target.name, login: target.login };
  const { instanceDestination } = await import("../../background/destination.ts");
  return await instanceDestination(world, target.launch);
}
