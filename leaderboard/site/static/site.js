// Tables that sort, narrow and remember it in the URL; charts in the colours of the page; commands to copy.
"use strict";
const script = document.currentScript;
const rootStyle = () => getComputedStyle(document.documentElement);

/* ---- state in the URL: #?overview.suite=toy&overview.sort=5-desc ---- */
const readState = () => new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");
function writeState(change) {
  const state = readState();
  for (const [key, value] of Object.entries(change)) value ? state.set(key, value) : state.delete(key);
  const text = state.toString();
  if (!text && !location.hash.startsWith("#?")) return;
  history.replaceState(null, "", text ? `#?${text}` : location.pathname + location.search);
}

/* ---- tables ---- */
function missingLast(a, b, sign) {
  const [one, two] = [parseFloat(a), parseFloat(b)]; // a missing number is a dash, or nothing
  const [none, other] = [Number.isNaN(one), Number.isNaN(two)];
  return none || other ? none - other : sign * (one - two);
}
function enhance(grid) {
  const table = grid.querySelector("table");
  const name = grid.dataset.grid;
  const heads = [...table.tHead.rows[0].cells];
  const state = readState();
  const columns = heads.map((head) => ({
    name: head.dataset.name,
    type: head.dataset.best ? "missing-last" : "string",
    orderSequence: head.dataset.best === "high" ? ["desc", "asc"] : ["asc", "desc"],
    orderable: !head.classList.contains("bar"),
  }));
  const [index, way] = (state.get(`${name}.sort`) ?? "").split("-");
  const order = heads[index] && ["asc", "desc"].includes(way) ? [[Number(index), way]] : [];
  const long = table.tBodies[0].rows.length > 6;
  const plain = (_, __, ___, node) => [...node.childNodes].map((each) => each.textContent.trim()).filter(Boolean).join(" ");
  const csv = {
    extend: "csvHtml5", text: "CSV of what is shown", filename: name, title: null,
    exportOptions: { columns: (at) => !heads[at].classList.contains("bar"), format: { body: plain, header: (_, __, node) => heads[[...node.parentNode.children].indexOf(node)]?.dataset.name ?? "" } },
  };
  const api = new DataTable(table, {
    paging: false, info: false, autoWidth: false, columns, order,
    search: { search: state.get(`${name}.q`) ?? "" },
    layout: { topStart: long ? { search: { placeholder: "", text: "Search" } } : null, topEnd: { buttons: [csv] }, bottomStart: null, bottomEnd: null },
    language: { emptyTable: "Nothing stored yet.", zeroRecords: "Nothing matches; clear the search or a choice." },
  });
  const holder = table.closest(".dt-layout-cell") ?? table.parentNode;
  holder.classList.add("scroll");
  holder.tabIndex = 0;
  holder.setAttribute("role", "region");
  holder.setAttribute("aria-label", `Table: ${table.caption?.textContent.trim() ?? name}`);
  heads.forEach((head, at) => head.hasAttribute("data-choose") && choice(api, grid, name, head.dataset.name, at));
  api.on("search.dt", () => writeState({ [`${name}.q`]: api.search() }));
  api.on("order.dt", () => {
    const [first] = api.order();
    writeState({ [`${name}.sort`]: first ? `${first[0]}-${first[1]}` : "" });
  });
}
function choice(api, grid, name, label, at) {
  const texts = [...new Set(api.column(at).nodes().toArray().map((node) => node.textContent.trim()))].sort();
  if (texts.length < 2) return;
  const select = document.createElement("select");
  select.append(new Option(`${label}: all`, ""), ...texts.map((text) => new Option(text, text)));
  select.setAttribute("aria-label", `Show only one ${label}`);
  const key = `${name}.${label}`;
  const apply = () => {
    const wanted = select.value;
    api.column(at).search.fixed("choice", wanted ? (_, __, row) => api.cell(row, at).node().textContent.trim() === wanted : null).draw();
    writeState({ [key]: wanted });
  };
  select.addEventListener("change", apply);
  const row = grid.querySelector(".dt-layout-row");
  (row.querySelector(".dt-layout-start") ?? row).append(select);
  const stored = readState().get(key);
  if (stored && texts.includes(stored)) { select.value = stored; apply(); }
}
function tables() {
  for (const [way, sign] of [["asc", 1], ["desc", -1]]) {
    DataTable.ext.type.order[`missing-last-${way}`] = (a, b) => missingLast(a, b, sign);
  }
  document.querySelectorAll(".grid").forEach(enhance);
}

/* ---- charts ---- */
let plotly;
const loadPlotly = () => plotly ??= new Promise((done, failed) => {
  const element = document.createElement("script");
  element.src = `${script.dataset.root}assets/plotly.min.js`;
  element.addEventListener("load", () => done(window.Plotly));
  element.addEventListener("error", failed);
  document.head.append(element);
});
function palette() {
  const style = rootStyle();
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  return (name) => name === "diverging"
    ? [[0, colour("worse")], [0.5, colour("middle")], [1, colour("better")]]
    : colour(name);
}
function coloured(value, colour) {
  if (typeof value === "string") return /^@[a-z0-9]+$/.test(value) ? colour(value.slice(1)) : value;
  if (Array.isArray(value)) return value.map((item) => coloured(item, colour));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, colour)]));
  }
  return value;
}
function layoutOf(figure, width) {
  const colour = palette();
  const axis = { gridcolor: colour("rule"), zerolinecolor: colour("soft"), linecolor: colour("rule"), tickcolor: colour("rule"), automargin: true };
  const layout = coloured(figure.layout, colour);
  for (const key of Object.keys(layout)) if (/^[xy]axis\d*$/.test(key)) layout[key] = { ...axis, ...layout[key] };
  const legend = figure.data.some((trace) => trace.name && trace.showlegend !== false && trace.type === "scatter") && figure.data.length > 1;
  const headed = legend && (figure.layout.annotations?.length ?? 0) > 0;
  return {
    ...layout, width, height: figure.height, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: rootStyle().getPropertyValue("--sans"), size: 12, color: colour("ink") },
    margin: { l: 56, r: 16, t: headed ? 58 : legend ? 28 : 12, b: 44 },
    showlegend: legend, legend: { orientation: "h", y: headed ? 1 + 24 / (figure.height - 102) : 1, yanchor: "bottom", x: 0, font: { size: 11.5 } },
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("rule"), font: { color: colour("ink") } },
  };
}
const drawn = new Map();
async function draw(element) {
  const Plotly = await loadPlotly();
  const figure = JSON.parse(element.querySelector("script").textContent);
  const target = document.createElement("div");
  element.append(target);
  drawn.set(element, { figure, target });
  await paint(element);
  const save = document.createElement("button");
  save.type = "button";
  save.className = "save";
  save.textContent = "SVG";
  save.setAttribute("aria-label", `Save as SVG: ${element.getAttribute("aria-label").split(".")[0]}`);
  save.addEventListener("click", () => Plotly.downloadImage(target, { format: "svg", filename: figure.name, width: target.offsetWidth, height: figure.height }));
  element.after(save);
  element.dataset.drawn = "";
}
async function paint(element) {
  const { figure, target } = drawn.get(element);
  const width = Math.max(280, element.clientWidth);
  await (await loadPlotly()).react(target, coloured(figure.data, palette()), layoutOf(figure, width), { displayModeBar: false });
}
const repaint = () => drawn.forEach((_, element) => paint(element));
function charts() {
  const watcher = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    watcher.unobserve(entry.target);
    draw(entry.target);
  }), { rootMargin: "300px" });
  document.querySelectorAll(".plot").forEach((element) => watcher.observe(element));
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) { width = innerWidth; repaint(); }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
}

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
    repaint();
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
  tables();
  charts();
  if (script.hasAttribute("data-live")) live();
  document.documentElement.dataset.ready = "";
});
