// Search, and a button that holds the recording. Everything else works without a script.
const siteTop = document.currentScript?.dataset.top ?? ".";
const form = document.querySelector("form[role=search]");
const input = form?.querySelector("input");
const found = document.getElementById("found");

if (form && input && found) {
  form.hidden = false;
  input.addEventListener("focus", loadIndex, { once: true });
  input.addEventListener("input", async () => {
    await loadIndex();
    show(search(input.value));
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    found.querySelector("a")?.click();
  });
  addEventListener("keydown", (event) => {
    const isTyping = event.target instanceof HTMLInputElement;
    if (event.key === "/" && !isTyping) {
      event.preventDefault();
      input.focus();
    }
    if (event.key === "Escape") {
      input.value = "";
      show([]);
    }
  });
}

let loading;

/** A script of its own, so that pages which nobody searches stay small. */
function loadIndex() {
  loading ??= new Promise((resolve) => {
    const script = document.createElement("script");
    script.src = `${siteTop}/search-index.js`;
    script.onload = resolve;
    script.onerror = resolve;
    document.head.append(script);
  });
  return loading;
}

/** Every word has to be found; in the title it counts most. */
function search(text) {
  const words = text.toLowerCase().replace(/^gpu\s+/, "").split(/[\s-]+/).filter((word) => word !== "");
  if (words.length === 0) return [];
  const scored = (globalThis.searchIndex ?? []).flatMap((entry) => {
    const title = entry.title.toLowerCase();
    let score = title === `gpu ${words.join(" ")}` ? 100 : 0;
    for (const word of words) {
      const here = (has(title, word) ? 20 : 0) + (has(entry.summary.toLowerCase(), word) ? 5 : 0) +
        (has(entry.text, word) ? 1 : 0);
      if (here === 0) return [];
      score += here + (title.split(" ").includes(word) ? 10 : 0);
    }
    return [{ entry, score }];
  });
  return scored.sort((a, b) => b.score - a.score).slice(0, 12).map(({ entry }) => entry);
}

/** Whether a word begins so: `lease` is not in `release`. */
function has(text, word) {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    if (at === 0 || !/[a-z0-9]/.test(text[at - 1])) return true;
  }
  return false;
}

function show(entries) {
  found.replaceChildren(...entries.map(({ path, title, summary }) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `${siteTop}/${path}`;
    link.textContent = title;
    const says = document.createElement("span");
    says.textContent = summary;
    link.append(says);
    item.append(link);
    return item;
  }));
  if (entries.length === 0 && input.value.trim() !== "") {
    const item = document.createElement("li");
    item.className = "none";
    item.textContent = "nothing found";
    found.append(item);
  }
  found.hidden = input.value.trim() === "";
}

// On a wide screen the list at the side is open.
const list = document.querySelector(".side details");
if (list && matchMedia("(min-width: 60rem)").matches) {
  list.open = true;
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "center" });
  scrollTo(0, 0);
}

const pause = document.getElementById("pause");
const drawing = document.querySelector(".recording svg");
if (pause && drawing && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
  pause.hidden = false;
  pause.addEventListener("click", () => {
    pause.textContent = drawing.classList.toggle("paused") ? "Go on" : "Pause";
  });
}
