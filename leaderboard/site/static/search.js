// The search of the site: an index that is loaded when somebody begins to type, hits below the box, and search.html?q=...
"use strict";
(() => {
  const root = document.currentScript.dataset.root;
  const MOST = 8;
  // Words of a question that say nothing of its matter.
  const EMPTY = new Set("a an and are as at be best better by can cannot do does for from get has have how i in is it long me my of on or see show take than that the there this to two was what when where which who with worse you".split(" "));
  const split = (text) => text.toLowerCase().normalize("NFKD").replace(/[\u0300-\u036f]/g, "").split(/[^a-z0-9]+/).filter(Boolean);

  let loading;
  const load = () => loading ??= new Promise((done, failed) => {
    const element = document.createElement("script");
    element.src = `${root}assets/search_index.js`;
    element.addEventListener("load", () => done(window.mtlbenchIndex.map(([kind, title, href, words]) => ({ kind, title, href, named: split(title), told: split(words) }))));
    element.addEventListener("error", failed);
    document.head.append(element);
  });

  /* A whole word counts more than its beginning, a word of the title more than one that is told. */
  const weigh = (words, token) => words.includes(token) ? 2 : words.some((word) => word.startsWith(token)) ? 1 : 0;
  function find(index, query) {
    const all = split(query);
    const told = all.filter((word) => !EMPTY.has(word));
    const tokens = told.length ? told : all;
    if (!tokens.length) return [];
    const hits = index.map((entry, place) => {
      let score = 0, met = 0;
      for (const token of tokens) {
        const best = Math.max(4 * weigh(entry.named, token), weigh(entry.told, token));
        score += best;
        met += best > 0;
      }
      const phrase = ` ${entry.named.join(" ")} `.includes(` ${tokens.join(" ")} `) ? 6 : ` ${entry.told.join(" ")} `.includes(` ${tokens.join(" ")} `) ? 3 : 0;
      return { entry, place, met, score: (score + phrase) / (1 + entry.named.length / 40) };
    }).filter(({ met }) => met);
    const most = Math.max(0, ...hits.map(({ met }) => met));
    // All words, or else as many as any entry has.
    return hits.filter(({ met }) => met === most).sort((a, b) => b.score - a.score || a.place - b.place).map(({ entry }) => entry);
  }
  function row({ kind, title, href }) {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = root + href;
    link.append(title);
    const said = document.createElement("small");
    said.append(kind);
    item.append(link, said);
    return item;
  }

  function box(form) {
    const input = form.querySelector("input");
    const panel = form.querySelector(".hits");
    const said = form.querySelector("[role=status]");
    const close = () => { panel.hidden = true; said.textContent = ""; };
    const show = async () => {
      const query = input.value;
      if (!query.trim()) return close();
      const hits = find(await load(), query);
      if (query !== input.value) return; // somebody typed on
      panel.replaceChildren(...hits.slice(0, MOST).map(row));
      panel.hidden = !hits.length;
      said.textContent = hits.length ? `${hits.length} found` : "nothing found";
    };
    input.addEventListener("focus", () => load().catch(() => {}));
    input.addEventListener("input", show);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      location.href = `${root}search.html?q=${encodeURIComponent(input.value)}`;
    });
    form.addEventListener("keydown", (event) => {
      const links = [...panel.querySelectorAll("a")];
      const at = links.indexOf(document.activeElement);
      if (event.key === "Escape") { close(); input.focus(); }
      if (panel.hidden || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
      event.preventDefault();
      const next = event.key === "ArrowDown" ? Math.min(at + 1, links.length - 1) : at - 1;
      (next < 0 ? input : links[next]).focus();
    });
    form.addEventListener("focusout", ({ relatedTarget }) => { if (!form.contains(relatedTarget)) close(); });
    document.addEventListener("keydown", (event) => {
      const busy = event.target.closest?.("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || busy || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.focus();
      input.select();
    });
    return input;
  }
  async function answer(section, input) {
    const query = new URLSearchParams(location.search).get("q") ?? "";
    if (!query.trim()) return;
    input.value = query;
    const hits = find(await load(), query);
    section.querySelector("ul").replaceChildren(...hits.map(row));
    section.querySelector("h2").textContent = hits.length ? `${hits.length} found for “${query}”` : `Nothing found for “${query}”`;
    section.hidden = false;
  }
  document.addEventListener("DOMContentLoaded", () => {
    const input = box(document.querySelector("form.find"));
    const section = document.getElementById("found");
    if (section) answer(section, input);
  });
})();
