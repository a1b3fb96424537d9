/** An amount of memory or disk in the unit in which it was asked for: `8 GiB`, `1.5 GB`, `100 MiB`. */
export function amountText(bytes: number): string {
  const [base, letter] = bytes % 2 ** 20 === 0 ? [1024, "i"] : [1000, ""];
  const isLarge = bytes >= base ** 3;
  const amount = Math.round(bytes / base ** (isLarge ? 3 : 2) * 10) / 10;
  return `${amount} ${isLarge ? "G" : "M"}${letter}B`;
}
