import { z } from "zod";
import { requestJson, type RequestOptions, type Target } from "../../http/request.ts";
import type { World } from "../../world.ts";
import { inWords } from "./failure.ts";
import { type Limits, openLimits } from "./limits.ts";
import { apiKeyOf, baseUrlOf, fingerprintOf, isEmulator, type LambdaSettings } from "./settings.ts";

export type LambdaWorld = Pick<World, "clock" | "env" | "fetch" | "folders" | "keychain" | "random">;

export interface Call<T> {
  /** For messages, after "cannot": `list the instances`. */
  readonly doing: string;
  readonly path: string;
  readonly method?: "GET" | "POST" | "DELETE";
  readonly body?: unknown;
  /** Of `data` in the answer. */
  readonly schema: z.ZodType<T>;
  readonly signal?: AbortSignal;
  /** Whether a repeated request does no harm; reads and deletes never do. */
  readonly isRepeatable?: boolean;
}

/** Lambda's API as one account sees it. The key is read with the first request. */
export class LambdaApi {
  readonly #world: LambdaWorld;
  readonly #settings: LambdaSettings;
  #session: Promise<Session> | undefined;
  #isKeyProven = false;

  constructor(world: LambdaWorld, settings: LambdaSettings) {
    this.#world = world;
    this.#settings = settings;
  }

  /** One request, in its turn, and again where that does no harm. Errors are for people. */
  async call<T>({ doing, schema, signal, ...call }: Call<T>): Promise<T> {
    try {
      const { target, limits } = await this.#open();
      return await this.#ask({ ...target, limiter: limits.requests, signal }, { ...optionsOf(call), schema });
    } catch (error) {
      signal?.throwIfAborted();
      throw inWords(error, doing);
    }
  }

  /** Waits until a launch may leave. Nothing has been sent when this rejects. */
  async launchTurn(signal?: AbortSignal): Promise<void> {
    const { limits } = await this.#open();
    await limits.launchTurn(signal);
  }

  /** The launch's one request, whose turn has come. Its errors are told apart by whoever sent it. */
  async sendLaunch<T>({ body, schema, signal }: Pick<Call<T>, "body" | "schema" | "signal">): Promise<T> {
    const { target, limits } = await this.#open();
    return await this.#ask({ ...target, limiter: limits.launches, signal }, {
      ...optionsOf({ path: "/instance-operations/launch", method: "POST", body }),
      schema,
      isAlone: true,
      isRepeatedWhenRefused: false,
      // Looking for a machine whose id was lost takes far longer than waiting for a slow answer.
      timeoutMs: 120_000,
    });
  }

  /** Address and key in short, without saying the key. */
  async account(): Promise<string> {
    return (await this.#open()).account;
  }

  /** Whether machines answer SSH where `ssh_port` says; on Lambda they do at 22. */
  get isEmulated(): boolean {
    return isEmulator(this.#world, this.#settings);
  }

  /** Whether an answer has shown that the key is accepted. */
  get isKeyProven(): boolean {
    return this.#isKeyProven;
  }

  async #ask<T>(target: Target, { schema, ...options }: RequestOptions & { schema: z.ZodType<T> }): Promise<T> {
    const { data } = await requestJson(target, { ...options, schema: z.object({ data: schema }) });
    this.#isKeyProven = true;
    return data;
  }

  #open(): Promise<Session> {
    // What went wrong once may be mended the next time: a keychain that was locked.
    return this.#session ??= this.#connect().catch((error) => {
      this.#session = undefined;
      throw error;
    });
  }

  async #connect(): Promise<Session> {
    const url = baseUrlOf(this.#world, this.#settings);
    const key = await apiKeyOf(this.#world, this.#settings);
    const account = `${url.host}/${fingerprintOf(key)}`;
    const target: Target = {
      world: this.#world,
      service: "Lambda Cloud",
      baseUrl: `${url.href.replace(/\/+$/, "")}/api/v1`,
      bearer: key,
      redirect: "manual",
    };
    return { target, account, limits: openLimits(this.#world, { settings: this.#settings, account }) };
  }
}

interface Session {
  readonly target: Target;
  readonly account: string;
  readonly limits: Limits;
}

function optionsOf({ path, method = "GET", body, isRepeatable }: Omit<Call<unknown>, "doing" | "schema" | "signal">) {
  const json = body === undefined ? undefined : JSON.stringify(body);
  return {
    path,
    method,
    isRepeatable,
    isRepeatedWhenRefused: true,
    headers: { accept: "application/json", ...(json === undefined ? {} : { "content-type": "application/json" }) },
    body: json === undefined ? undefined : () => json,
  };
}
