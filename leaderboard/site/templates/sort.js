// A click on a header sorts by it, best first; a second click turns it round. Missing numbers stay last.
for (const table of document.querySelectorAll("table")) {
  const heads = [...table.querySelectorAll("thead th")];
  heads.forEach((head, index) => head.firstElementChild.addEventListener("click", (event) => {
    const numeric = index > 0;
    const first = numeric && event.currentTarget.dataset.best !== "low" ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    heads.forEach((each) => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const key = (row) => row.children[index].dataset.order;
    const compare = (a, b) => {
      if (!key(a) || !key(b)) return !key(a) - !key(b);
      return sign * (numeric ? key(a) - key(b) : key(a).localeCompare(key(b)));
    };
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
  }));
}
