/** A refusal in the existing server's form. */
export function detail(status: number, text: string, headers: Readonly<Record<string, string>> = {}): Response {
  return Response.json({ detail: text }, { status, headers: { ...headers } });
}

/** What about a request does not fit. */
export interface Issue {
  readonly type: string;
  readonly loc: readonly string[];
  readonly msg: string;
  readonly input: unknown;
}

/** A request that does not fit, in the existing server's form. */
export function invalid(issue: Issue): Response {
  return Response.json({ detail: [issue] }, { status: 422 });
}
