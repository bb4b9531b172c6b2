// The theme, commands to copy, and pages that load again when their store changes.
"use strict";
const script = document.currentScript;

/* ---- theme, commands, live pages ---- */
function themes() {
  const button = document.querySelector(".theme");
  const names = { auto: "as the system", light: "light", dark: "dark" };
  const show = () => {
    const now = document.documentElement.dataset.theme;
    button.textContent = { auto: "◐", light: "○", dark: "●" }[now] ?? "◐";
    button.setAttribute("aria-label", `Colour theme: ${names[now] ?? names.auto}`);
  };
  button.addEventListener("click", () => {
    const order = Object.keys(names);
    const next = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
    document.documentElement.dataset.theme = next;
    try { localStorage.setItem("mtlbench-theme", next); } catch { /* kept for this page only */ }
    show();
  });
  show();
}
function copying() {
  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentNode.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
    });
  }
}
async function live(seen) {
  let now = seen;
  try {
    now = await (await fetch(`${script.dataset.root}version.json`, { cache: "no-store" })).text();
  } catch { /* the server is gone: the page stays as it is */ }
  if (seen !== undefined && now !== seen) location.reload();
  else setTimeout(() => live(now), 2000);
}

document.addEventListener("DOMContentLoaded", () => {
  themes();
  copying();
  if (script.hasAttribute("data-live")) live();
  document.documentElement.dataset.ready = "";
  performance.mark("ready");
});
