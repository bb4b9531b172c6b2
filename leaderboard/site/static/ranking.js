// Two menus that leave one subset of the ranking on the page; without them all subsets are there, one below the other.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("subset");
  const { suites, methods } = form.elements;
  const sections = [...document.querySelectorAll(".subset")];
  const said = form.querySelector("[role=status]");
  const show = () => {
    let found = 0;
    for (const each of sections) {
      each.hidden = each.dataset.suites !== suites.value || each.dataset.methods !== methods.value;
      found += !each.hidden;
    }
    said.textContent = found ? "" : "No two of these methods share two of these suites with separate models.";
  };
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const menu of [suites, methods]) {
    menu.addEventListener("change", () => {
      const chosen = sections.find((each) => each.dataset.suites === suites.value && each.dataset.methods === methods.value);
      history.replaceState(null, "", chosen ? `#${chosen.id}` : location.pathname);
      show();
    });
  }
  const named = sections.find((each) => `#${each.id}` === decodeURIComponent(location.hash));
  if (named) { suites.value = named.dataset.suites; methods.value = named.dataset.methods; }
  form.hidden = !sections.length;
  if (sections.length) show();
});
