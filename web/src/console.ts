// Entry of every page: htmx, and the few behaviours that HTML alone does not have. Pages work
// without this file, but for the map, live updates and shortcuts.
import htmx from "htmx.org";
import "./console.css";
import { flow } from "./flow";
import { shortcuts } from "./keys";

declare global {
  interface Window {
    htmx: typeof htmx;
  }
}

window.htmx = htmx;
// The content security policy forbids both anyway.
htmx.config.allowEval = false;
htmx.config.includeIndicatorStyles = false;
htmx.config.selfRequestsOnly = true;
htmx.config.historyCacheSize = 0;
// A form with errors comes back with 422, a stale one with 409: both are pages to be shown.
htmx.config.responseHandling = [
  { code: "204", swap: false },
  { code: "[23]..", swap: true },
  { code: "(409|413|422)", swap: true, error: false },
  { code: "[45]..", swap: false, error: true },
];

const token = (): string => document.querySelector<HTMLMetaElement>('meta[name="csrf"]')?.content ?? "";

document.addEventListener("htmx:configRequest", (event) => {
  (event as CustomEvent).detail.headers["X-CSRF-Token"] = token();
});

/** Says that a part of the page failed: with the status, or without one when no answer came. */
function failed(event: Event): void {
  const status = (event as CustomEvent).detail.xhr.status as number;
  const target = document.querySelector<HTMLElement>("#notice");
  if (!target) return;
  target.hidden = false;
  target.textContent = `${target.dataset.failed ?? ""} (${status})`;
}
document.addEventListener("htmx:responseError", failed);
document.addEventListener("htmx:sendError", (event) => {
  // A page that asks every two seconds says nothing of one lost answer; a form does.
  if ((event as CustomEvent).detail.elt instanceof HTMLFormElement) failed(event);
});

/** Behaviours by attribute: once on the page, then on what htmx swaps in. */
function enliven(root: ParentNode): void {
  flow(root);
  // A select or checkbox that applies at once.
  for (const field of root.querySelectorAll<HTMLInputElement | HTMLSelectElement>("[data-submit]")) {
    field.addEventListener("change", () => field.form?.requestSubmit());
  }
  for (const button of root.querySelectorAll<HTMLElement>("[data-print]")) {
    button.addEventListener("click", () => window.print());
  }
  // Empty fields of a filter stay out of the address.
  for (const form of root.querySelectorAll<HTMLFormElement>("form[data-filter]")) {
    form.addEventListener("formdata", (event) => {
      for (const [name, value] of [...event.formData.entries()]) {
        if (value === "") event.formData.delete(name);
      }
    });
  }
  // A file that is too large is refused before it travels; the server would refuse it as well.
  for (const field of root.querySelectorAll<HTMLInputElement>("input[type=file][data-most]")) {
    field.addEventListener("change", () => {
      const large = (field.files?.[0]?.size ?? 0) > Number(field.dataset.most);
      field.setCustomValidity(large ? (field.dataset.tooLarge ?? "") : "");
      field.reportValidity();
    });
    // The server says what else is wrong; what is too large does not travel at all.
    field.form?.addEventListener("htmx:beforeRequest", (event) => {
      if (!field.reportValidity()) event.preventDefault();
    });
  }
  for (const element of root.querySelectorAll<HTMLElement>("[data-map]")) {
    void import("./map").then(({ open }) => open(element));
  }
}

document.addEventListener("DOMContentLoaded", () => {
  // The menu is open where there is room for it beside the page, also after the window was turned.
  const narrow = window.matchMedia("(max-width: 60rem)");
  const menu = (): void => {
    document.querySelector(".menu details")?.toggleAttribute("open", !narrow.matches);
  };
  menu();
  narrow.addEventListener("change", menu);
  // Filters that say nothing leave the screen of a phone to the list.
  if (window.matchMedia("(max-width: 40rem)").matches) {
    for (const filters of document.querySelectorAll("details.filters:not([data-set])")) filters.removeAttribute("open");
  }
  // Paper has nothing to unfold.
  window.addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("main section details")) folded.setAttribute("open", "");
  });
  shortcuts();
});
// htmx says so of the whole page first, and of each part later.
document.addEventListener("htmx:load", (event) => {
  enliven((event as CustomEvent).detail.elt as ParentNode);
  document.documentElement.dataset.ready = "yes";
});
