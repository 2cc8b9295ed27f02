// Keyboard: what a page declares with data-key="a" is clicked or focused by that key, and "?" shows
// the list. Nothing fires while somebody types.

function typing(): boolean {
  const active = document.activeElement;
  return active instanceof HTMLElement && (active.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(active.tagName));
}

/** The element that a key of this page stands for. */
function target(key: string): HTMLElement | null {
  for (const element of document.querySelectorAll<HTMLElement>("[data-key]")) {
    if (element.dataset.key === key && element.offsetParent !== null) return element;
  }
  return null;
}

export function shortcuts(): void {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.key === "Escape" && typing()) {
      (document.activeElement as HTMLElement).blur();
      return;
    }
    if (typing()) return;
    const element = target(event.key);
    if (!element) return;
    event.preventDefault();
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName)) element.focus();
    else element.click();
  });
}
