/** A refusal in the existing server's form. */
export function detail(status: number, text: string, headers: Record<string, string> = {}): Response {
  return Response.json({ detail: text }, { status, headers });
}

/** A request that does not fit, in the existing server's form. */
export function invalid(issue: { type: string; loc: string[]; msg: string; input: unknown }): Response {
  return Response.json({ detail: [issue] }, { status: 422 });
}
