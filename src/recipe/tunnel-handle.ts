import { GpuError, UsageError } from "../errors.ts";
import { trackCall } from "./calls.ts";

/** What a tunnel carries. Ports are those of this computer alone unless told otherwise. */
export interface TunnelOptions {
  /** Ports here that lead there, as `[bind:]local:[host:]remote`: `8000:8000`, `0:ci`, where 0 is any free port. */
  readonly forward?: readonly string[];
  /** Ports there that lead here, as `[bind:]remote:[host:]local`: `9000:3000`. */
  readonly reverse?: readonly string[];
  /** Ports here that speak SOCKS 4a and 5, as `[bind:]port`: `1080`, `0`. */
  readonly socks?: readonly string[];
}

/** Ports here that lead to an instance, or back from there, until the scope or the run ends. */
export interface TunnelHandle extends AsyncDisposable {
  /** Each port here, with where it leads. */
  readonly forwards: readonly Forward[];
  /** That of the first of `forwards`: `http://127.0.0.1:PORT`. */
  readonly url: string;
  /** Address and key of the instance's CI server, as `gpu.ci.submit.test` takes them. */
  ci(): { server: string; apiKey: string };
  /**
   * Leaves it open in the background when the run ends, at the same ports and for as long as the instance is there; what
   * goes through it at this moment is cut. `gpu tunnel stop` closes it.
   *
   * ```ts
   * const tunnel = await box.tunnel({ forward: ["8000:8000"] });
   * await box.keep({ hours: 8, why: "serves a model" });
   * await tunnel.keep();
   * ```
   */
  keep(): Promise<void>;
  /** Closes it before its scope ends. */
  close(): Promise<void>;
}

/** One port of a tunnel. */
export interface Forward {
  /** `local`: from here to there; `reverse`: from there to here; `socks`: from here to where each connection asks. */
  readonly kind: "local" | "reverse" | "socks";
  /** Port on this computer, at 127.0.0.1. */
  readonly localPort: number;
  /** As it was asked for: `ci`, `8000`, `socks`; of `reverse`, the port there. */
  readonly remote: string;
  /** What to give to a client: here `http://…` or `socks5h://…`; of `reverse`, to one over there. */
  readonly url: string;
}

/** What a tunnel is made of. */
export interface TunnelParts {
  readonly forwards: readonly Omit<Forward, "url">[];
  /** The secret that the instance's own services ask for. */
  readonly agentToken: string | undefined;
  /** Hands it to the background process. */
  keep(): Promise<void>;
  close(): Promise<void>;
}

/** The handle of a tunnel that is open. */
export function tunnelHandle({ forwards, agentToken, keep, close }: TunnelParts): TunnelHandle {
  const open = forwards.map((forward): Forward => ({ ...forward, url: urlOf(forward) }));
  const [first] = open;
  if (first === undefined) {
    throw new UsageError("a tunnel carries at least one port", { hint: '`forward: ["8000:8000"]`' });
  }
  let isKept = false;
  let closing: Promise<void> | undefined;
  const closeOnce = () => closing ??= isKept ? Promise.resolve() : close();
  const handle: TunnelHandle = {
    forwards: open,
    url: first.url,
    ci() {
      const ci = open.find(({ remote }) => remote === "ci");
      if (ci && agentToken !== undefined) return { server: ci.url, apiKey: agentToken };
      if (ci) throw new GpuError("the instance has no agent, so it has no CI server");
      throw new UsageError("the tunnel does not lead to the instance's CI server", {
        hint: '`box.tunnel({ forward: ["0:ci"] })` opens one that does',
      });
    },
    keep: () =>
      trackCall("tunnel.keep", async () => {
        if (closing) throw new UsageError("`tunnel.keep`: it is closed already");
        if (isKept) return;
        await keep();
        isKept = true;
      }),
    // As its scope does it, so that the run knows that it is closed.
    close: async () => await handle[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: closeOnce,
  };
  return handle;
}

function urlOf({ kind, localPort, remote }: Omit<Forward, "url">): string {
  if (kind === "reverse") return `http://127.0.0.1:${remote}`;
  return `${kind === "socks" ? "socks5h" : "http"}://127.0.0.1:${localPort}`;
}
