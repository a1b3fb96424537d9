/**
 * What is wrong on the page that is open; it is sent to the browser as text, so it uses nothing from here. Contrast is that
 * of WCAG 2.2, level AA: 4.5, and 3 for large text.
 */
export function troublesOnPage(): string[] {
  const troubles: string[] = [];
  const page = document.documentElement;
  if (page.scrollWidth > page.clientWidth) {
    const wide = [...document.querySelectorAll("main *, header *")].filter((element) =>
      element.getBoundingClientRect().right > page.clientWidth + 1 && !element.closest("pre, .table, svg, #found")
    );
    troubles.push(
      `it scrolls sideways: ${page.scrollWidth} wide; ${
        wide.slice(0, 3).map(({ outerHTML }) => outerHTML.slice(0, 80))
      }`,
    );
  }
  const numbers = (color: string) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (color: number[]) => {
    const [red = 0, green = 0, blue = 0] = color.slice(0, 3).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const backgroundOf = (element: Element): number[] => {
    for (let at: Element | null = element; at; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor);
      if ((color[3] ?? 1) > 0 && color.length > 0) return color;
    }
    return [255, 255, 255];
  };
  const seen = new Set<string>();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!element || !node.textContent?.trim() || element.closest("script, style, title, desc")) continue;
    const style = getComputedStyle(element);
    const isDrawn = element.closest("svg") !== null;
    if (!isDrawn && element.getClientRects().length === 0) continue;
    const front = numbers(isDrawn ? style.fill : style.color);
    const frame = element.closest("svg")?.querySelector("rect");
    const back = frame ? numbers(getComputedStyle(frame).fill) : backgroundOf(element);
    const [light = 0, dark = 0] = [luminance(front), luminance(back)].sort((a, b) => b - a);
    const contrast = (light + 0.05) / (dark + 0.05);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const key = `${front} on ${back}`;
    if (contrast >= (isLarge ? 3 : 4.5) || seen.has(key)) continue;
    seen.add(key);
    troubles.push(`contrast ${contrast.toFixed(2)} of \`${node.textContent.trim().slice(0, 30)}\`, ${key}`);
  }
  for (const image of document.querySelectorAll("img")) if (!image.complete) troubles.push(`no picture: ${image.src}`);
  return troubles;
}
