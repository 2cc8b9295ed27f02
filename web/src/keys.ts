// Keyboard: what a page declares with data-key="a" is clicked or focused by that key; j and k go
// through its data-item elements, x ticks the one that is focused, Enter opens it; "?" shows the
// list. Nothing fires while somebody types.

function typing(): boolean {
  const active = document.activeElement;
  return active instanceof HTMLElement && (active.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(active.tagName));
}

const visible = (element: HTMLElement): boolean => element.offsetParent !== null;

function keyed(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>("[data-key]")].filter(visible);
}

function items(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>("[data-item]")].filter(visible);
}

function current(): HTMLElement | null {
  return document.activeElement?.closest<HTMLElement>("[data-item]") ?? null;
}

/** The element that a key of this page stands for: within the focused item first. */
function target(key: string): HTMLElement | null {
  const all = keyed().filter((element) => element.dataset.key === key);
  const item = current();
  return all.find((element) => item?.contains(element)) ?? all[0] ?? null;
}

function move(step: number): boolean {
  const all = items();
  if (all.length === 0) return false;
  const item = current();
  const at = item ? all.indexOf(item) + step : 0;
  const next = all[Math.max(0, Math.min(all.length - 1, at))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
  return true;
}

function within(item: HTMLElement | null, css: string): boolean {
  const element = item?.querySelector<HTMLElement>(css);
  element?.click();
  return element != null;
}

function label(element: HTMLElement): string {
  const own = element.getAttribute("aria-label") ?? element.textContent?.trim() ?? "";
  const input = element as HTMLInputElement;
  return own || input.labels?.[0]?.textContent?.trim() || "";
}

/** Shows what the keys of this page do. */
function help(): void {
  const dialog = document.querySelector<HTMLDialogElement>("#keys");
  const list = dialog?.querySelector("dl");
  if (!dialog || !list) return;
  const seen = new Map<string, string>();
  for (const element of keyed()) {
    const key = element.dataset.key ?? "";
    if (!seen.has(key)) seen.set(key, label(element));
  }
  if (items().length > 0) seen.set("j k", list.dataset.move ?? "");
  list.replaceChildren();
  for (const [key, text] of seen) {
    const term = document.createElement("dt");
    for (const one of key.split(" ")) {
      const kbd = document.createElement("kbd");
      kbd.textContent = one;
      term.append(kbd, " ");
    }
    const what = document.createElement("dd");
    what.textContent = text;
    list.append(term, what);
  }
  dialog.showModal();
}

/** What a key does where no element has it. */
function other(key: string): boolean {
  if (key === "j" || key === "k") return move(key === "j" ? 1 : -1);
  if (key === "x") return within(current(), "input[type=checkbox]");
  if (key === "Enter" && document.activeElement === current()) return within(current(), "a[href]");
  if (key !== "?") return false;
  help();
  return true;
}

export function shortcuts(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "Escape" && typing()) {
      (document.activeElement as HTMLElement).blur();
      return;
    }
    // A tick box takes no text: keys go on working on it.
    const box = document.activeElement;
    if (typing() && !(box instanceof HTMLInputElement && box.type === "checkbox")) return;
    const element = target(event.key);
    if (!element) {
      if (other(event.key)) event.preventDefault();
      return;
    }
    event.preventDefault();
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)) element.focus();
    else element.click();
  });
}
