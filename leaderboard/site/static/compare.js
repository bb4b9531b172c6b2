// Two menus that lead to the comparison drawn at build time; a comparison that the address names is opened.
"use strict";
(() => {
  const open = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const section = target && target.closest("details.versus");
    if (!section) return;
    section.open = true;
    target.scrollIntoView();
  };
  const choose = (form) => {
    const { a, b } = form.elements;
    const rivals = JSON.parse(form.querySelector("script").textContent);
    const names = [...a.options].map((each) => [each.text, each.value]);
    const fill = () => {
      const before = b.value;
      const order = [...rivals[a.selectedIndex]].sort((one, two) => one - two);
      b.replaceChildren(...order.map((at) => new Option(...names[at])));
      if (order.some((at) => names[at][1] === before)) b.value = before;
    };
    const pick = (menu, name) => { if ([...menu.options].some((each) => each.value === name)) menu.value = name; };
    pick(a, "hard");
    fill();
    pick(b, "single_task");
    a.addEventListener("change", fill);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      location.href = `compare/${a.value}.html#${b.value}`;
    });
    form.hidden = false;
  };
  document.addEventListener("DOMContentLoaded", () => {
    const form = document.getElementById("pick");
    if (form) choose(form);
    open();
  });
  addEventListener("hashchange", open);
})();
