// What charts do beyond being seen: say what is pointed at, hide what a legend names, and save as SVG.
"use strict";
(() => {
  const bubble = document.createElement("div");
  bubble.className = "bubble";
  bubble.hidden = true;
  bubble.setAttribute("role", "status");
  function say(event, lines) {
    bubble.hidden = !lines.length;
    if (!lines.length) return;
    bubble.textContent = lines.join("\n");
    const { offsetWidth: wide, offsetHeight: high } = bubble;
    bubble.style.left = `${Math.max(4, Math.min(innerWidth - wide - 4, event.clientX + 14))}px`;
    bubble.style.top = `${event.clientY + high + 26 > innerHeight ? event.clientY - high - 12 : event.clientY + 14}px`;
  }

  /* ---- what is pointed at ---- */
  const short = (value) => String(Number(value.toPrecision(4)));
  function cellOf(panel, x, y) {
    const { rows, columns, cells } = panel.dataset;
    const [down, across] = [rows.split("\t"), columns.split("\t")];
    const [at, to] = [Math.floor(y * down.length), Math.floor(x * across.length)];
    const text = cells.split("\n")[at]?.split("\t")[to];
    return text ? [`${down[at]}, ${across[to]}: ${text}`] : [];
  }
  /* The points of a path: M is a place, l, h and v are steps. */
  function pointsOf(path) {
    const points = [];
    let [x, y] = [0, 0];
    for (const [, kind, first, second] of path.getAttribute("d").matchAll(/([Mlhv])(-?\d+)(?:[ ]?(-?\d+))?/g)) {
      if (kind === "M") [x, y] = [Number(first), Number(second)];
      else if (kind === "l") [x, y] = [x + Number(first), y + Number(second)];
      else if (kind === "h") x += Number(first);
      else y += Number(first);
      points.push([x, y]);
    }
    return points;
  }
  function lineValues(panel, x) {
    const [low, high, kind] = panel.dataset.x.split(" ");
    const [from, to, upper] = panel.dataset.y.split(" ");
    const tall = panel.querySelector("svg").viewBox.baseVal.height;
    const value = (share, least, most, how) => { const at = Number(least) + share * (most - least); return how === "log" ? 10 ** at : at; };
    const keys = [...panel.closest(".plot").querySelectorAll(".keys [data-k]")];
    const said = [];
    let nearest = null;
    for (const path of panel.querySelectorAll("path.ln:not(.still)")) {
      if (path.closest("[hidden]")) continue;
      const [best] = pointsOf(path).sort((a, b) => Math.abs(a[0] - 1000 * x) - Math.abs(b[0] - 1000 * x));
      if (!best) continue;
      nearest ??= best[0];
      const key = path.closest("[data-k]")?.dataset.k;
      const name = keys.find((each) => each.dataset.k === key)?.textContent ?? "";
      said.push(`${name ? `${name}: ` : ""}${short(value(1 - best[1] / tall, from, to, upper))}`);
    }
    return said.length ? [`at ${short(value(nearest / 1000, low, high, kind))}`, ...said.slice(0, 16)] : [];
  }
  function point(event) {
    const panel = event.target.closest?.("svg.panel");
    if (!panel) return say(event, []);
    const title = (event.target.closest("a") ?? event.target.closest("circle, rect"))?.querySelector("title");
    if (title) return say(event, title.textContent.split("\n"));
    const box = panel.querySelector("svg").getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    if (x < 0 || x > 1 || y < 0 || y > 1) return say(event, []);
    return say(event, panel.dataset.cells ? cellOf(panel, x, y) : panel.dataset.x ? lineValues(panel, x) : []);
  }

  /* ---- a legend hides and shows what it names ---- */
  function legend(plot) {
    for (const entry of plot.querySelectorAll(".keys [data-k]")) {
      const button = document.createElement("button");
      button.type = "button";
      button.dataset.k = entry.dataset.k;
      button.setAttribute("aria-pressed", "true");
      button.append(...entry.childNodes);
      entry.replaceWith(button);
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", String(shown));
        plot.querySelectorAll(`g[data-k="${button.dataset.k}"]`).forEach((each) => each.toggleAttribute("hidden", !shown));
      });
    }
  }

  /* ---- a picture to take away: panels beside each other as they are seen, colours and letters written out ---- */
  const COPIED = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "transform", "transform-box", "transform-origin", "vector-effect", "display"];
  function copyOf(element) {
    const copy = element.cloneNode(true);
    const sources = [element, ...element.querySelectorAll("*")];
    [copy, ...copy.querySelectorAll("*")].forEach((each, at) => {
      const style = getComputedStyle(sources[at]);
      each.removeAttribute("class");
      each.setAttribute("style", COPIED.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";"));
      for (const name of Object.keys(each.dataset)) delete each.dataset[name];
    });
    return copy;
  }
  function saveSvg(figure) {
    const frame = figure.querySelector(".panels").getBoundingClientRect();
    const keys = [...figure.querySelectorAll(".keys button[aria-pressed=true]")];
    const room = keys.length ? 18 * Math.ceil(keys.length / 4) + 8 : 0;
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
    const [width, height] = [Math.ceil(frame.width), Math.ceil(frame.height + room)];
    for (const [name, value] of [["width", width], ["height", height], ["viewBox", `0 0 ${width} ${height}`]]) svg.setAttribute(name, value);
    const put = (kind, attributes, text = "") => {
      const element = document.createElementNS(svg.namespaceURI, kind);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      element.textContent = text;
      svg.append(element);
    };
    const page = getComputedStyle(document.body);
    put("rect", { width: "100%", height: "100%", fill: page.backgroundColor });
    keys.forEach((key, at) => {
      const [x, y] = [(at % 4) * (width / 4), 18 * Math.floor(at / 4) + 12];
      put("rect", { x, y: y - 5, width: 14, height: 4, fill: getComputedStyle(key.querySelector("i")).color });
      put("text", { x: x + 20, y, "font-size": 12, "font-family": "sans-serif", fill: page.color }, key.textContent);
    });
    for (const panel of figure.querySelectorAll("svg.panel")) {
      const [box, style, copy] = [panel.getBoundingClientRect(), getComputedStyle(panel), copyOf(panel)];
      const [left, top] = [parseFloat(style.paddingLeft), parseFloat(style.paddingTop)];
      const inside = { x: box.left - frame.left + left, y: box.top - frame.top + top + room, width: box.width - left - parseFloat(style.paddingRight), height: box.height - top - parseFloat(style.paddingBottom) };
      for (const [name, value] of Object.entries(inside)) copy.setAttribute(name, value);
      copy.setAttribute("overflow", "visible");
      svg.append(copy);
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(svg)], { type: "image/svg+xml" }));
    link.download = `${figure.id}.svg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
  document.addEventListener("DOMContentLoaded", () => {
    for (const figure of document.querySelectorAll("figure.chart")) {
      legend(figure.querySelector(".plot"));
      const save = document.createElement("button");
      save.type = "button";
      save.className = "save";
      save.textContent = "SVG";
      save.setAttribute("aria-label", `Save as SVG: ${figure.querySelector("strong").textContent}`);
      save.addEventListener("click", () => saveSvg(figure));
      figure.querySelector("figcaption").append(save);
    }
    document.body.append(bubble);
    addEventListener("pointermove", point);
    addEventListener("scroll", () => { bubble.hidden = true; }, { passive: true });
  });
})();
