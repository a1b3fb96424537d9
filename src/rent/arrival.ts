import type { Context } from "../command.ts";
import type { SshAddress } from "../provider/provider.ts";
import type { Session } from "../ssh/session.ts";
import type { Brought } from "./agent.ts";
import { AgentSource } from "./agent-source.ts";
import { connectAt } from "./connect.ts";
import { keyOfLaunch } from "./key.ts";
import type { Launch } from "./rows.ts";

interface Begun {
  readonly session: Session;
  readonly brought: Promise<Brought>;
}

/**
 * The first session with an instance, kept from the try that came through until its agent runs. The agent is on its way
 * from the moment that session is open, and made ready while the instance boots.
 */
export class Arrival implements AsyncDisposable {
  readonly #context: Context;
  readonly #launch: Launch;
  readonly #source: AgentSource | undefined;
  #begun: Begun | undefined;

  constructor(
    context: Context,
    launch: Launch,
    { agentBinary, bringsAgent }: { agentBinary: string | undefined; bringsAgent: boolean },
  ) {
    this.#context = context;
    this.#launch = launch;
    if (bringsAgent) return;
    this.#source = new AgentSource(context.world, agentBinary);
    // What goes wrong is said when it is wanted.
    this.#source.warmUp().catch(() => {});
  }

  get begun(): Begun | undefined {
    return this.#begun;
  }

  /** The session that is open, or a new one. */
  async reach(to: { address: SshAddress; hostKey: string; signal: AbortSignal }): Promise<Session> {
    if (this.#begun !== undefined) return this.#begun.session;
    const { world } = this.#context;
    const { privateKey } = await keyOfLaunch(world, this.#launch);
    const session = await connectAt(world, { ...to, privateKey, timeoutMs: 5000 });
    const begun = { session, brought: this.#bring(session) };
    begun.brought.catch(() => {});
    session.closed.then(() => {
      if (this.#begun === begun) this.#begun = undefined;
    });
    this.#begun = begun;
    return session;
  }

  async #bring(session: Session): Promise<Brought> {
    if (this.#source === undefined) return { state: "running" };
    const { bringAgent } = await import("./agent.ts");
    return await bringAgent(this.#context, this.#launch, session, { source: this.#source });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#begun?.session[Symbol.asyncDispose]();
  }
}
