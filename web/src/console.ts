// Entry of every page: htmx, and the few behaviours that HTML alone does not have. Pages work
// without this file, but for the map, live updates and shortcuts.
import htmx from "htmx.org";
import "./console.css";
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
  { code: "(409|422)", swap: true, error: false },
  { code: "[45]..", swap: false, error: true },
];

const token = (): string => document.querySelector<HTMLMetaElement>('meta[name="csrf"]')?.content ?? "";

document.addEventListener("htmx:configRequest", (event) => {
  (event as CustomEvent).detail.headers["X-CSRF-Token"] = token();
});

document.addEventListener("htmx:responseError", (event) => {
  const status = (event as CustomEvent).detail.xhr.status as number;
  const target = document.querySelector<HTMLElement>("#notice");
  if (!target) return;
  target.hidden = false;
  target.textContent = `${target.dataset.failed ?? ""} (${status})`;
});

/** Behaviours by attribute; also run on what htmx swaps in. */
function enliven(root: ParentNode): void {
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
  for (const element of root.querySelectorAll<HTMLElement>("[data-map]")) {
    void import("./map").then(({ open }) => open(element));
  }
}

document.addEventListener("DOMContentLoaded", () => {
  // The menu is open where there is room for it beside the page.
  if (window.matchMedia("(max-width: 60rem)").matches) document.querySelector(".menu details")?.removeAttribute("open");
  enliven(document);
  shortcuts();
  document.documentElement.dataset.ready = "yes";
});
document.addEventListener("htmx:load", (event) => enliven((event as CustomEvent).detail.elt as ParentNode));
