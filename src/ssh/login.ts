import type { AuthenticationType, AuthHandlerMiddleware, NextAuthHandler } from "ssh2";
import ssh2, { BaseAgent } from "ssh2";
import { GpuError, InterruptedError, messageOf } from "../errors.ts";
import type { SshAddress } from "../provider/provider.ts";
import { oneLine } from "../safe-text.ts";
import { loginRefused } from "./failure.ts";
import type { AskPassphrase, LoginKey, RsaHash } from "./identities.ts";
import { plainType } from "./identities.ts";
import { onLoginAnswer, sendLoginRequest, signAtOnce } from "./login-packets.ts";
import type { Login } from "./session.ts";
import { WireReader, wireString } from "./wire.ts";

/** Puts a question to the person at the keyboard; rejects where there is nobody, or they do not want to. */
export type AskPerson = (question: { readonly text: string; readonly isSecret: boolean }) => Promise<string>;

export interface LoginOptions {
  readonly address: SshAddress;
  readonly keys: readonly LoginKey[];
  /** What could not be tried, for the message. */
  readonly troubles: readonly string[];
  readonly askPassphrase: AskPassphrase;
  /** Absent: nobody is asked for a password. */
  readonly askPerson?: AskPerson;
}

/** How often somebody may mistype. */
const attempts = 3;

/** Logs in with one key after the other, and then, where somebody can be asked, with what they say. */
export function loginWith(options: LoginOptions, login: Login): AuthHandlerMiddleware {
  const { address, keys, askPerson } = options;
  const username = address.user;
  const troubles = [...options.troubles];
  const tried: string[] = [];
  let methods: readonly string[] | undefined;
  let isPartlyIn = false;
  onLoginAnswer(login.client, (answer) => {
    methods = answer.methods;
    isPartlyIn ||= answer.isPartial;
  });
  signAtOnce(login.client, signOpen);
  const steps = (function* (): Generator<(next: NextAuthHandler) => void> {
    for (const key of keys) {
      if (methods !== undefined && !methods.includes("publickey")) break;
      tried.push(key.label);
      const agent = new OneKey(key, { ...options, login, troubles });
      yield (next) => next({ type: "agent", username, agent });
    }
    // Asks what else there is, and gets in where nothing is asked for.
    if (methods === undefined) yield (next) => next({ type: "none", username });
    if (askPerson === undefined) return;
    for (let count = 0; count < attempts && methods?.includes("keyboard-interactive"); count++) {
      yield (next) =>
        next({ type: "keyboard-interactive", username, prompt: answerPrompts(askPerson, options, login) });
    }
    for (let count = 0; count < attempts && methods?.includes("password"); count++) {
      yield (next) =>
        askOrFail(login, async () => {
          const password = await askPerson({ text: `password of ${username}@${address.host}`, isSecret: true });
          next({ type: "password", username, password });
        });
    }
  })();
  return (_methods: AuthenticationType[] | null, _isPartial: boolean | null, next: NextAuthHandler) => {
    const step = steps.next().value;
    if (step) return step(next);
    login.fail(loginRefused({ address, tried, troubles, methods, isPartlyIn, isAsked: askPerson !== undefined }));
  };
}

type Prompts = readonly { readonly prompt: string; readonly echo?: boolean }[];

/** RFC 4256: the server's questions, word for word, but for what a terminal would take for a command. */
function answerPrompts(askPerson: AskPerson, { address }: LoginOptions, login: Login) {
  return (name: string, instructions: string, _language: string, prompts: Prompts, finish: (all: string[]) => void) => {
    askOrFail(login, async () => {
      const answers: string[] = [];
      for (const { prompt, echo = false } of prompts) {
        const said = [name, instructions, prompt].map((text) => oneLine(text, 200)).filter((text) => text !== "");
        const text = `${address.user}@${address.host}: ${said.join(" ")}`;
        answers.push(await askPerson({ text, isSecret: !echo }));
      }
      finish(answers);
    });
  };
}

function askOrFail(login: Login, work: () => Promise<void>): void {
  login.unhurried(work).catch(login.fail);
}

interface OneKeyOptions {
  readonly address: SshAddress;
  readonly askPassphrase: AskPassphrase;
  readonly login: Login;
  readonly troubles: string[];
}

/** An agent, as ssh2 knows them, that holds one key: so signing may take its time, and ask. */
class OneKey extends BaseAgent {
  readonly #key: LoginKey;
  readonly #options: OneKeyOptions;

  constructor(key: LoginKey, options: OneKeyOptions) {
    super();
    this.#key = key;
    this.#options = options;
  }

  override getIdentities(done: (error: Error | undefined, keys?: ssh2.ParsedKey[]) => void): void {
    const carrier = carrierOf(this.#key);
    opened.set(carrier, this.#key);
    done(undefined, [carrier]);
  }

  override sign(
    _key: unknown,
    data: Buffer,
    options: { hash?: string } | ((error?: Error, signature?: Buffer) => void),
    done: (error?: Error, signature?: Buffer) => void = () => {},
  ): void {
    const hash = typeof options === "function" ? undefined : options.hash;
    const answer = typeof options === "function" ? options : done;
    this.#sign(data, hash, answer).catch((error: unknown) => {
      const { login, troubles } = this.#options;
      if (error instanceof InterruptedError || (error instanceof GpuError && error.kind === "usage")) {
        return login.fail(error);
      }
      troubles.push(messageOf(error));
      answer(error instanceof Error ? error : new Error(messageOf(error)));
    });
  }

  async #sign(data: Buffer, hash: string | undefined, done: (error?: Error, signature?: Buffer) => void) {
    const { login, askPassphrase } = this.#options;
    const rsaHash = rsaHashOf(this.#key, hash);
    const signature = await login.unhurried(() => this.#key.sign(data, rsaHash, askPassphrase));
    if (!isForeign(this.#key.type)) {
      const reader = new WireReader(signature);
      reader.string();
      return done(undefined, Buffer.from(reader.string()));
    }
    // `data` is the identifier of the session, and the request that the signature ends.
    const request = new WireReader(data);
    request.string();
    if (!sendLoginRequest(login.client, Buffer.concat([request.rest, wireString(signature)]))) {
      throw new Error(`keys of the type \`${this.#key.type}\` cannot be used`);
    }
  }
}

/** The keys that ssh2 was handed, by what carries them. */
const opened = new WeakMap<object, LoginKey>();

/** Signs with a key file at once. RSA is not among them: its algorithm takes an answer of the server. */
function signOpen(carrier: object, data: Buffer): Promise<Buffer> | undefined {
  const key = opened.get(carrier);
  if (key === undefined || !key.isOpen || isForeign(key.type) || key.type === "ssh-rsa") return undefined;
  return key.sign(data, undefined, () => Promise.reject(new Error("it is open"))).then((signature) => {
    const reader = new WireReader(signature);
    reader.string();
    return Buffer.from(reader.string());
  });
}

/** Of what ssh2 does not know: certificates and security keys. It would write their signatures wrongly. */
function isForeign(type: string): boolean {
  return plainType(type) !== type || type.startsWith("sk-");
}

function rsaHashOf({ type }: LoginKey, hash: string | undefined): RsaHash | undefined {
  if (plainType(type) !== "ssh-rsa") return undefined;
  if (isForeign(type)) return "rsa-sha2-512";
  return hash === "sha256" ? "rsa-sha2-256" : hash === "sha512" ? "rsa-sha2-512" : undefined;
}

/** Any key that ssh2 can read: it only carries the one that is offered. */
const anyKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

function carrierOf({ type, blob }: LoginKey): ssh2.ParsedKey {
  const carrier = ssh2.utils.parseKey(anyKey);
  if (carrier instanceof Error) throw carrier;
  // RFC 8332: with SHA-2 the algorithm has another name than the key.
  const algorithm = type === "ssh-rsa-cert-v01@openssh.com" ? "rsa-sha2-512-cert-v01@openssh.com" : type;
  return Object.assign(carrier, { type: algorithm, getPublicSSH: () => blob });
}
