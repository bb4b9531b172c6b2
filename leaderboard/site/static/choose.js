// Menus that leave the situations on the page that somebody is in; what was chosen stands in the address.
"use strict";
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("wants");
  const menus = [...form.querySelectorAll("select")];
  const said = form.querySelector("[role=status]");
  const all = [...document.querySelectorAll(".situation")];
  const fits = (each, keys) => keys.every((key) => !form.elements[key].value || each.dataset[key] === form.elements[key].value);
  const show = () => {
    let shown = all.filter((each) => fits(each, ["kind", "tasks", "rows"]));
    let text = `${shown.length} of ${all.length} situations.`;
    if (!shown.length) {
      shown = all.filter((each) => fits(each, ["kind"]));
      text = "Nothing with so many tasks and rows was run. These are of the same kind.";
    }
    said.textContent = text;
    const small = form.elements.budget.value === "small";
    for (const each of all) {
      each.hidden = !shown.includes(each);
      const options = [...each.querySelectorAll("article")];
      for (const option of options) option.hidden = small && !("small" in option.dataset);
      each.querySelector(".none").hidden = options.some((option) => !option.hidden);
    }
  };
  const state = new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");
  for (const menu of menus) {
    const wanted = state.get(menu.name);
    if (wanted && [...menu.options].some((each) => each.value === wanted)) menu.value = wanted;
    menu.addEventListener("change", () => {
      const chosen = new URLSearchParams(menus.filter((each) => each.value).map((each) => [each.name, each.value]));
      history.replaceState(null, "", String(chosen) ? `#?${chosen}` : location.pathname + location.search);
      show();
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  show();
});
