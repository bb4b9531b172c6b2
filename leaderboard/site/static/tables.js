// Tables that sort, narrow, save what they show, and remember all of it in the URL. Without this file they are whole.
"use strict";
(() => {
  /* ---- state in the URL: #?overview.suite=toy&overview.sort=5-desc ---- */
  const readState = () => new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");
  function writeState(change) {
    const state = readState();
    for (const [key, value] of Object.entries(change)) value ? state.set(key, value) : state.delete(key);
    const text = state.toString();
    if (!text && !location.hash.startsWith("#?")) return;
    history.replaceState(null, "", text ? `#?${text}` : location.pathname + location.search);
  }

  /* ---- texts of cells ---- */
  const joined = (nodes) => nodes.map((each) => each.textContent.trim()).filter(Boolean).join(" ");
  const isSmall = (node) => node.nodeName === "SMALL";
  const partsOf = (cell) => [joined([...cell.childNodes].filter((each) => !isSmall(each))), joined([...cell.childNodes].filter(isSmall))];
  const orderOf = (cell) => cell.dataset.order ?? partsOf(cell)[0];
  /* As `csv_cell` in leaderboard/report/escape.py: no spreadsheet takes a text for a formula. */
  const harmless = (text) => /^[=@\uff1d\uff20]/.test(text) || (/^[+\-\uff0b\uff0d\ufe63]/.test(text) && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) ? `'${text}` : text;
  const quoted = (text) => `"${harmless(text).replace(/"/g, '""')}"`;
  function make(kind, properties = {}) {
    const element = Object.assign(document.createElement(kind), properties);
    if (kind === "button") element.type = "button";
    return element;
  }

  function enhance(grid) {
    const table = grid.querySelector("table");
    const body = table.tBodies[0];
    const { grid: name, file } = grid.dataset;
    const first = Number(grid.dataset.first ?? 0);
    const heads = [...table.tHead.rows[0].cells];
    const rows = [...body.rows].map((row) => ({ row, text: [...row.cells].map((cell) => partsOf(cell).join(" ")).join(" ").toLowerCase() }));
    const state = readState();
    const choices = new Map(); // column -> the text that is wanted there
    let [words, order, all] = [state.get(`${name}.q`) ?? "", null, Boolean(state.get(`${name}.all`))];
    let shown = rows;

    /* What is missing is last, whichever way a column is sorted. */
    function compare([at, way], one, other) {
      const sign = way === "asc" ? 1 : -1;
      const [a, b] = [orderOf(one.row.cells[at]), orderOf(other.row.cells[at])];
      if (!heads[at].dataset.best) return sign * a.localeCompare(b);
      const [x, y] = [parseFloat(a), parseFloat(b)];
      const [none, too] = [Number.isNaN(x), Number.isNaN(y)];
      return none || too ? none - too : sign * (x - y);
    }
    function draw() {
      const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
      shown = rows.filter(({ row, text }) => wanted.every((word) => text.includes(word)) && [...choices].every(([at, one]) => partsOf(row.cells[at]).filter(Boolean).join(" ") === one));
      if (order) shown = [...shown].sort((one, other) => compare(order, one, other));
      const seen = first && !all ? shown.slice(0, first) : shown;
      body.replaceChildren(...seen.map(({ row }) => row));
      if (!seen.length) {
        const empty = make("td", { colSpan: heads.length, className: "empty", textContent: rows.length ? "Nothing matches; clear the search or a choice." : "Nothing stored yet." });
        body.append(make("tr"));
        body.rows[0].append(empty);
      }
      more.hidden = seen.length === shown.length;
      more.textContent = `Show all ${shown.length} rows`;
      heads.forEach((head, at) => (order?.[0] === at ? head.setAttribute("aria-sort", order[1] === "asc" ? "ascending" : "descending") : head.removeAttribute("aria-sort")));
    }
    function sort(at) {
      const ways = heads[at].dataset.best === "high" ? ["desc", "asc"] : ["asc", "desc"];
      const next = order?.[0] === at ? ways[ways.indexOf(order[1]) + 1] : ways[0];
      order = next ? [at, next] : null; // a third time: as the page came
      writeState({ [`${name}.sort`]: order ? order.join("-") : "" });
      draw();
    }
    function choice(head, at) {
      const texts = [...new Set(rows.map(({ row }) => partsOf(row.cells[at]).filter(Boolean).join(" ")))].filter((text) => text && text !== "—");
      if (texts.length < 2) return null;
      const label = head.dataset.name;
      const select = make("select");
      select.append(new Option(`${label}: all`, ""), ...texts.map((text) => new Option(text, text)));
      select.setAttribute("aria-label", `Show only one ${label}`);
      const apply = () => { select.value ? choices.set(at, select.value) : choices.delete(at); };
      select.addEventListener("change", () => { apply(); writeState({ [`${name}.${label}`]: select.value }); draw(); });
      const stored = state.get(`${name}.${label}`);
      if (stored && texts.includes(stored)) { select.value = stored; apply(); }
      return select;
    }
    /* A column for the texts of a head, and one for the smaller texts below them that it names. */
    function save() {
      const given = heads.map((head, at) => [head, at]).filter(([head]) => !head.classList.contains("drawn"));
      const line = (texts) => given.flatMap(([head, at]) => texts(head, at).slice(0, head.dataset.small ? 2 : 1)).map(quoted).join(",");
      const lines = [line((head) => [head.dataset.exported ?? partsOf(head).filter(Boolean).join(" "), head.dataset.small])];
      lines.push(...shown.map(({ row }) => line((_, at) => partsOf(row.cells[at]))));
      const link = make("a", { href: URL.createObjectURL(new Blob([`\ufeff${lines.join("\n")}\n`], { type: "text/csv;charset=utf-8" })), download: `${file}.csv` });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    }

    const more = make("button", { className: "more" });
    more.addEventListener("click", () => { all = true; writeState({ [`${name}.all`]: "1" }); draw(); });
    table.closest(".scroll").after(more);
    const tools = make("div", { className: "tools" });
    if (rows.length > 6) {
      const label = make("label", { textContent: "Search " });
      const input = make("input", { type: "search", value: words });
      input.addEventListener("input", () => { words = input.value; writeState({ [`${name}.q`]: words }); draw(); });
      label.append(input);
      tools.append(label, ...heads.map((head, at) => ("choose" in head.dataset ? choice(head, at) : null)).filter(Boolean));
    }
    const csv = make("button", { className: "csv", textContent: "CSV", title: "Save what is shown as CSV" });
    csv.addEventListener("click", save);
    tools.append(csv);
    grid.prepend(tools);
    heads.forEach((head, at) => {
      if (head.classList.contains("drawn")) return;
      const button = make("button", { className: "order" });
      button.setAttribute("aria-label", `Sort by ${head.dataset.name}`);
      head.dataset.name ||= partsOf(head)[0];
      (head.querySelector("small") ?? { before: (each) => head.append(each) }).before(button);
      head.addEventListener("click", (event) => { if (!event.target.closest("a")) sort(at); });
    });
    const [index, way] = (state.get(`${name}.sort`) ?? "").split("-");
    if (heads[index] && ["asc", "desc"].includes(way)) order = [Number(index), way];
    draw();
    grid.classList.add("ready");
  }
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".grid").forEach(enhance));
})();
