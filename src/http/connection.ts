import { messageOf, systemCode } from "../errors.ts";
import { HttpError, type HttpReason } from "./errors.ts";
import { type Proxy, proxyFor } from "./proxy.ts";
import { QuietError } from "./quiet.ts";

/** Whom a request was for. `env` tells whether a proxy stands between. */
interface Asked {
  readonly service: string;
  readonly url: URL;
  readonly env?: Readonly<Record<string, string | undefined>>;
}

interface Failure {
  readonly code: string;
  /** What the system said of it. */
  readonly text: string;
}

interface Told {
  readonly message: string;
  readonly reason: HttpReason;
  readonly hint: string;
}

/** Tells what went wrong below HTTP, from what `fetch` threw: the proxy, the name, the way there, whom to trust. */
export function connectionError(error: unknown, asked: Asked): HttpError {
  // Bun's advice is for whoever wrote the program.
  const text = messageOf(error).replace(/ For more information, pass `verbose: true`.*$/s, "");
  const failure = { code: systemCode(error) ?? "", text };
  const proxy = asked.env === undefined ? undefined : proxyFor(asked.url, asked.env);
  const { message, ...rest } = error instanceof QuietError
    ? silent(asked, `: ${error.message}`)
    : (proxy && atProxy(failure, asked, proxy)) ?? throughProxy(failure, asked) ?? nameless(failure, asked) ??
      untrusted(failure, asked) ?? unreached(failure, asked) ?? {
      message: `the connection to ${asked.service} at ${asked.url.origin} was cut: ${text}`,
      reason: "cut",
      hint: "try again",
    };
  return new HttpError(message, { ...rest, cause: error });
}

const isNameless = ({ code, text }: Failure) =>
  /^(ENOTFOUND|EAI_[A-Z]+|ENODATA)$/.test(code) || /getaddrinfo|dns/i.test(text);
const isRefused = ({ code }: Failure) => /^(ECONNREFUSED|ConnectionRefused|ENOENT)$/.test(code);
const isWayless = ({ code }: Failure) => /^(EHOSTUNREACH|ENETUNREACH|ENETDOWN|EADDRNOTAVAIL)$/.test(code);

/** With a proxy in force the first connection is to it, so what happens to that is about it. Its password is not shown. */
function atProxy(failure: Failure, { service, url }: Asked, proxy: Proxy): Told | undefined {
  const { host, hostname } = proxy.url;
  const scheme = proxy.url.protocol.slice(0, -1);
  const what = /UnsupportedProxyProtocol/.test(`${failure.code} ${failure.text}`)
    ? `it has to be one of \`http\` or \`https\`, and not of \`${scheme}\``
    : isNameless(failure)
    ? `no computer is called \`${hostname}\``
    : isRefused(failure)
    ? `nothing answers at \`${host}\``
    : isWayless(failure)
    ? `there is no way from this computer to \`${host}\``
    : undefined;
  if (what === undefined) return undefined;
  return {
    message: `cannot reach ${service} at ${url.origin} through the proxy: ${what}`,
    reason: "proxy",
    hint: `check \`${proxy.variable}\`; \`NO_PROXY\` lists hosts that need no proxy`,
  };
}

function throughProxy({ code, text }: Failure, { service, url }: Asked): Told | undefined {
  if (!/proxy/i.test(code) && !/proxy/i.test(text)) return undefined;
  return {
    message: `cannot reach ${service} at ${url.origin} through the proxy: ${text}`,
    reason: "proxy",
    hint: "check `HTTPS_PROXY` and `HTTP_PROXY`; `NO_PROXY` lists hosts that need none",
  };
}

function nameless(failure: Failure, { service, url }: Asked): Told | undefined {
  if (!isNameless(failure)) return undefined;
  if (failure.code === "EAI_AGAIN") {
    return {
      message: `no name server says where \`${url.hostname}\` is, so ${service} cannot be reached`,
      reason: "dns",
      hint: "check that this computer is connected to a network, and that its DNS works",
    };
  }
  return {
    message: `no computer is called \`${url.hostname}\`, so ${service} cannot be reached`,
    reason: "dns",
    hint: "check the address for a typing error, and the network",
  };
}

const tlsCodes =
  /^(EPROTO|ERR_TLS|ERR_SSL|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_MISMATCH|UNKNOWN_CERTIFICATE)/;

function untrusted({ code, text }: Failure, { service, url }: Asked): Told | undefined {
  if (!tlsCodes.test(code)) return undefined;
  const told = (why: string, hint: string): Told => ({
    message: `${service} at ${url.origin} cannot be trusted: ${why}`,
    reason: "tls",
    hint,
  });
  if (/^(CERT_HAS_EXPIRED|CERT_NOT_YET_VALID)$/.test(code)) {
    return told(text, "check the clock of this computer; where it is right, the server needs a new certificate");
  }
  if (/ALTNAME_INVALID|HOSTNAME_MISMATCH/.test(code)) {
    return told("its certificate is for another name", "check the address, and that no login page stands between");
  }
  if (/UNABLE_TO_|SELF_SIGNED/.test(code)) {
    return told(
      text,
      "no CA that is trusted here signed its certificate; where a company's own CA or a proxy does, " +
        "`NODE_EXTRA_CA_CERTS` names its file (PEM)",
    );
  }
  return told(text, "check that the server speaks `https` and that its certificate is valid and not expired");
}

function unreached(failure: Failure, asked: Asked): Told | undefined {
  const { service, url } = asked;
  if (isWayless(failure)) {
    return {
      message: `there is no way from this computer to \`${url.hostname}\`, so ${service} cannot be reached`,
      reason: "no-route",
      hint: "check that this computer is connected to a network; a VPN or a proxy (`HTTPS_PROXY`) may be needed",
    };
  }
  if (isRefused(failure)) {
    return {
      message: `nothing answers at ${url.origin}: cannot reach ${service}`,
      reason: "refused",
      hint: "check that it is running and that the address is right",
    };
  }
  return /^(ETIMEDOUT|ConnectionTimeout|TimeoutError)$/.test(failure.code) ? silent(asked, "") : undefined;
}

function silent({ service, url }: Asked, why: string): Told {
  return {
    message: `${service} at ${url.origin} does not answer${why}`,
    reason: "timeout",
    hint: "check the address and the network, then try again",
  };
}
