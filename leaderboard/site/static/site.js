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
const joined = (nodes) => nodes.map((each) => each.textContent.trim()).filter(Boolean).join(" ");
const textOf = (node) => joined([...node.childNodes]);
const isSmall = (node) => node.nodeName === "SMALL";
const partsOf = (node) => [joined([...node.childNodes].filter((each) => !isSmall(each))), joined([...node.childNodes].filter(isSmall))];
/* As `csv_cell` in leaderboard/report/escape.py: no spreadsheet takes a text for a formula. */
const harmless = (text) => /^[=@\uff1d\uff20]/.test(text) || (/^[+\-\uff0b\uff0d\ufe63]/.test(text) && !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) ? `'${text}` : text;
/* What a table gives away: a column for the texts of a head, and one for the smaller texts below them that it names. */
function exported(heads) {
  const given = heads.filter((head) => !head.classList.contains("drawn"));
  const texts = (head, [text, small]) => (head.dataset.small ? [text, small] : [text]).map(harmless);
  return {
    columns: (at) => given.includes(heads[at]),
    format: { body: (_, __, ___, node) => partsOf(node) },
    customizeData: (data) => {
      const titles = given.flatMap((head) => texts(head, [head.dataset.exported, head.dataset.small]));
      data.headerStructure = [titles.map((title) => ({ title }))];
      data.body = data.body.map((parts) => given.flatMap((head, at) => texts(head, parts[at])));
    },
  };
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
    orderable: !head.classList.contains("drawn"),
    visible: !head.classList.contains("aside"),
  }));
  const [index, way] = (state.get(`${name}.sort`) ?? "").split("-");
  const order = heads[index] && ["asc", "desc"].includes(way) ? [[Number(index), way]] : [];
  const rows = table.tBodies[0].rows.length;
  const first = Number(grid.dataset.first ?? 0);
  const csv = {
    extend: "csvHtml5", text: "CSV", titleAttr: "Save what is shown as CSV", filename: grid.dataset.file, title: null,
    newline: "\n", footer: false, exportOptions: exported(heads),
  };
  table.closest(".scroll").replaceWith(table);
  const api = new DataTable(table, {
    paging: first > 0, pageLength: first && !state.get(`${name}.all`) ? first : -1,
    info: false, autoWidth: false, columns, order,
    search: { search: state.get(`${name}.q`) ?? "" },
    layout: { topStart: rows > 6 ? { search: { placeholder: "", text: "Search" } } : null, topEnd: { buttons: [csv] }, bottomStart: null, bottomEnd: null },
    language: { emptyTable: "Nothing stored yet.", zeroRecords: "Nothing matches; clear the search or a choice." },
  });
  const holder = table.closest(".dt-layout-cell") ?? table.parentNode;
  holder.classList.add("scroll");
  holder.tabIndex = 0;
  holder.setAttribute("role", "region");
  holder.setAttribute("aria-label", `Table: ${table.caption?.textContent.trim() ?? name}`);
  heads.forEach((head, at) => head.hasAttribute("data-choose") && rows > 6 && choice(api, grid, name, head.dataset.name, at));
  api.on("search.dt", () => writeState({ [`${name}.q`]: api.search() }));
  api.on("order.dt", () => {
    const [chosen] = api.order();
    writeState({ [`${name}.sort`]: chosen ? `${chosen[0]}-${chosen[1]}` : "" });
  });
  if (first) more(api, grid, name);
  grid.classList.add("ready");
}
function more(api, grid, name) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "more";
  const show = () => {
    const { length, recordsDisplay } = api.page.info();
    button.hidden = length < 0 || recordsDisplay <= length;
    button.textContent = `Show all ${recordsDisplay} rows`;
  };
  button.addEventListener("click", () => {
    writeState({ [`${name}.all`]: "1" });
    api.page.len(-1).draw();
    show();
  });
  api.on("draw", show);
  grid.querySelector(".dt-container").after(button);
  show();
}
function choice(api, grid, name, label, at) {
  const nodes = api.column(at).nodes().toArray();
  const texts = [...new Set(nodes.map(textOf))].filter((text) => text && text !== "—");
  if (texts.length < 2) return;
  const select = document.createElement("select");
  select.append(new Option(`${label}: all`, ""), ...texts.map((text) => new Option(text, text)));
  select.setAttribute("aria-label", `Show only one ${label}`);
  const key = `${name}.${label}`;
  const apply = () => {
    const wanted = select.value;
    api.column(at).search.fixed("choice", wanted ? (_, __, row) => textOf(api.cell(row, at).node()) === wanted : null).draw();
    writeState({ [key]: wanted });
  };
  select.addEventListener("change", apply);
  const row = grid.querySelector(".dt-layout-row");
  (row.querySelector(".dt-layout-start") ?? row).append(select);
  const stored = readState().get(key);
  if (stored && texts.includes(stored)) { select.value = stored; apply(); }
}
function tables() {
  if (typeof DataTable === "undefined") return; // a page without tables does not load it
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
  return (name) => {
    if (name === "diverging") return [[0, colour("worse")], [0.5, colour("middle")], [1, colour("better")]];
    const [plain, share] = name.split(":"); // `c1:0.2` is c1 with that opacity
    const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour(plain).slice(at, at + 2), 16));
    return share ? `rgba(${red},${green},${blue},${share})` : colour(plain);
  };
}
function coloured(value, colour) {
  if (typeof value === "string") return /^@[a-z0-9]+(:[.\d]+)?$/.test(value) ? colour(value.slice(1)) : value;
  if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map((item) => coloured(item, colour));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, colour)]));
  }
  return value;
}
/* Small charts of one figure: as many across as fit, each with its title above it. */
const TITLE = 22, GAP = 16;
function arranged({ titles, least, high, left, below, fluid }, width) {
  const across = Math.max(1, Math.min(titles.length, Math.floor((width + GAP) / least)));
  const wide = fluid ? width / across : Math.min(least, width / across);
  const tall = TITLE + high + below + GAP;
  const down = Math.ceil(titles.length / across);
  const height = down * tall;
  const places = titles.map((_, at) => {
    const [column, row] = [at % across, Math.floor(at / across)];
    const top = row * tall + TITLE;
    return {
      x: [(column * wide + left) / width, ((column + 1) * wide - (fluid ? GAP : 14)) / width],
      y: [1 - (top + high) / height, 1 - top / height],
    };
  });
  return { height, places };
}
const heightOf = (figure, width) => (figure.panels ? arranged(figure.panels, width).height : figure.height);
function layoutOf(figure, width) {
  const colour = palette();
  const axis = { gridcolor: colour("rule"), zerolinecolor: colour("soft"), linecolor: colour("rule"), tickcolor: colour("rule"), automargin: !figure.panels };
  const { xaxis, yaxis, ...given } = coloured(figure.layout, colour);
  const layout = { ...given, width, height: heightOf(figure, width), showlegend: false, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: rootStyle().getPropertyValue("--sans"), size: 12, color: colour("ink") },
    margin: figure.panels ? { l: 0, r: 0, t: 0, b: 0 } : { l: 52, r: 14, t: 10, b: 42 },
    hoverlabel: { bgcolor: colour("paper"), bordercolor: colour("rule"), font: { color: colour("ink") } } };
  if (!figure.panels) {
    // A matrix of methods has the same names at both sides: where those below would overlap, the ones beside are enough.
    if (xaxis?.dtick === 1 && (width - 180) / figure.data[0].x.length < 11) xaxis.showticklabels = false;
    for (const key of Object.keys(layout)) if (/^[xy]axis\d*$/.test(key)) layout[key] = { ...axis, ...layout[key] };
    return { ...layout, xaxis: { ...axis, ...xaxis }, yaxis: { ...axis, ...yaxis } };
  }
  const { places } = arranged(figure.panels, width);
  layout.annotations = places.map((place, at) => ({
    text: figure.panels.titles[at], x: place.x[0], y: place.y[1], xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false, font: { size: 12.5 },
  }));
  places.forEach((place, at) => {
    const number = at ? at + 1 : "";
    layout[`xaxis${number}`] = { ...axis, ...xaxis, ...given[`xaxis${at + 1}`], domain: place.x, anchor: `y${number}` };
    layout[`yaxis${number}`] = { ...axis, ...yaxis, ...given[`yaxis${at + 1}`], domain: place.y, anchor: `x${number}` };
  });
  if (given.xaxis1) delete layout.xaxis1;
  return layout;
}
function tracesOf(figure, hidden) {
  return coloured(figure.data, palette()).map(({ panel, ...trace }) => {
    const number = panel ? panel + 1 : "";
    const axes = panel === undefined ? {} : { xaxis: `x${number}`, yaxis: `y${number}` };
    return { ...trace, ...axes, visible: !hidden.has(trace.name) };
  });
}
/* The legend and the ramp of colours are text beside the chart: they wrap, and never cover it. */
function keysOf(figure, hidden, changed) {
  const keys = document.createElement("div");
  keys.className = "keys";
  const named = figure.data.filter((trace) => trace.name && trace.showlegend !== false && trace.type === "scatter");
  if (named.length > 1) {
    for (const trace of named) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("aria-pressed", "true");
      button.append(swatch(trace), trace.name.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&"));
      button.addEventListener("click", () => {
        hidden.has(trace.name) ? hidden.delete(trace.name) : hidden.add(trace.name);
        button.setAttribute("aria-pressed", String(!hidden.has(trace.name)));
        changed();
      });
      keys.append(button);
    }
  }
  if (figure.scale) {
    const ramp = document.createElement("span");
    ramp.className = "ramp";
    keys.append(figure.scale[0], ramp, figure.scale[1]);
  }
  return keys;
}
function swatch(trace) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const colour = `var(--${(trace.line?.color ?? trace.marker?.color ?? "@c0").slice(1)})`;
  const draw = (kind, attributes) => {
    const shape = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [key, value] of Object.entries(attributes)) shape.setAttribute(key, value);
    picture.append(shape);
  };
  picture.setAttribute("viewBox", "0 0 18 10");
  picture.setAttribute("aria-hidden", "true");
  if (trace.mode.includes("lines")) draw("line", { x1: 0, x2: 18, y1: 5, y2: 5, style: `stroke: ${colour}`, "stroke-width": 2.2, "stroke-dasharray": { dot: "2 2", dash: "5 3" }[trace.line?.dash] ?? "" });
  if (trace.mode.includes("markers")) {
    const open = trace.marker?.symbol === "circle-open";
    draw("circle", { cx: 9, cy: 5, r: 3.6, style: `stroke: ${colour}; fill: ${open ? "none" : colour}`, "stroke-width": 1.5 });
  }
  return picture;
}
const drawn = new Map();
async function draw(element) {
  const Plotly = await loadPlotly();
  const figure = figureOf(element);
  const target = document.createElement("div");
  const hidden = new Set();
  element.append(target);
  drawn.set(element, { figure, target, hidden });
  element.before(keysOf(figure, hidden, () => paint(element)));
  await paint(element);
  target.on("plotly_click", ({ points }) => {
    if (points[0]?.customdata) location.href = script.dataset.root + points[0].customdata;
  });
  const save = document.createElement("button");
  save.type = "button";
  save.className = "save";
  save.textContent = "SVG";
  save.setAttribute("aria-label", `Save as SVG: ${element.getAttribute("aria-label").split(".")[0]}`);
  save.addEventListener("click", () => saveSvg(Plotly, figure, hidden, target.offsetWidth));
  element.parentNode.querySelector("figcaption").append(save);
  element.dataset.drawn = "";
}
function figureOf(element) {
  const figure = JSON.parse(element.querySelector("script").textContent);
  return { ...figure, data: figure.data.map((trace) => ({ ...figure.common, ...trace })) };
}
async function paint(element) {
  const { figure, target, hidden } = drawn.get(element);
  const width = Math.max(280, element.clientWidth);
  await (await loadPlotly()).react(target, tracesOf(figure, hidden), layoutOf(figure, width), { displayModeBar: false });
  element.style.minHeight = `${heightOf(figure, width)}px`;
}
/* A picture to take away has its legend, or its ramp of colours, beside it. */
function saveSvg(Plotly, figure, hidden, width) {
  const layout = layoutOf(figure, width);
  const traces = tracesOf(figure, hidden);
  const ramp = figure.scale && traces.find((trace) => trace.type === "heatmap");
  if (ramp) Object.assign(ramp, { showscale: true, colorbar: { thickness: 10, outlinewidth: 0, x: 1.02 } });
  const beside = figure.data.filter((trace) => trace.name && trace.type === "scatter").length > 1;
  const room = ramp ? 80 : beside ? 190 : 0;
  Object.assign(layout, { width: width + room, showlegend: beside, legend: { x: 1.02, y: 1 }, margin: { ...layout.margin, r: layout.margin.r + room } });
  Plotly.downloadImage({ data: traces, layout }, { format: "svg", filename: figure.name, width: width + room, height: layout.height });
}
const repaint = () => drawn.forEach((_, element) => paint(element));
function charts() {
  const watcher = new IntersectionObserver((entries) => entries.forEach((entry) => {
    if (!entry.isIntersecting) return;
    watcher.unobserve(entry.target);
    draw(entry.target);
  }), { rootMargin: "400px" });
  document.querySelectorAll(".plot").forEach((element) => {
    element.style.minHeight = `${heightOf(figureOf(element), Math.max(280, element.clientWidth))}px`;
    watcher.observe(element);
  });
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
  performance.mark("ready");
});
