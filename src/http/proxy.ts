type Environment = Readonly<Record<string, string | undefined>>;

/** The proxy that a request goes through, and the variable that says so. */
export interface Proxy {
  readonly variable: string;
  readonly url: URL;
}

/** The proxy for an address, as `fetch` reads it: names in small letters first. Undefined where it goes straight. */
export function proxyFor(url: URL, env: Environment): Proxy | undefined {
  if (isExcepted(url, env.no_proxy || env.NO_PROXY || "")) return undefined;
  const names = url.protocol === "https:" ? ["https_proxy", "HTTPS_PROXY"] : ["http_proxy", "HTTP_PROXY"];
  for (const variable of names) {
    const proxy = parseProxy(env[variable] ?? "");
    if (proxy) return { variable, url: proxy };
  }
  return undefined;
}

/** The address of a proxy as curl and `fetch` take it: `proxy:3128` is `http://proxy:3128`. Null where it is none. */
export function parseProxy(text: string): URL | null {
  if (text === "") return null;
  return URL.parse(/^[a-z][a-z\d+.-]*:\/\//i.test(text) ? text : `http://${text}`);
}

function isExcepted({ hostname, host }: URL, list: string): boolean {
  return list.split(",").map((entry) => entry.trim().replace(/^\*?\./, "")).some((entry) =>
    entry === "*" || (entry !== "" && (entry === host || entry === hostname || hostname.endsWith(`.${entry}`)))
  );
}
