/** Whether a recipe says of itself that it failed: `success: false` in what it returns. */
export function isFailure(result: unknown): boolean {
  return typeof result === "object" && result !== null && "success" in result && result.success === false;
}
