/** Names that people have in their files although no such type was ever offered, and what was meant. */
const corrections: Readonly<Record<string, { type: string; why: string }>> = {
  // The GPU session CLI's own default. Lambda's only A100s with 80 GB come eight at a time.
  gpu_1x_a100_sxm4_80gb: { type: "gpu_1x_h100_pcie", why: "the single GPU there with the same 80 GiB" },
};

/** An instance type by the name that its provider knows, with a note where that is another one. */
export function correctType(type: string): { type: string; note?: string } {
  const found = Object.hasOwn(corrections, type) ? corrections[type] : undefined;
  if (found === undefined) return { type };
  return { type: found.type, note: `\`${type}\` does not exist at Lambda; \`${found.type}\` is ${found.why}` };
}
