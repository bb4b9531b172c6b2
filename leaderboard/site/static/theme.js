// Before anything is painted: the theme that was chosen, or the system's.
(() => {
  let chosen = "auto";
  try { chosen = localStorage.getItem("mtlbench-theme") ?? "auto"; } catch { /* storage may be closed to files */ }
  document.documentElement.dataset.theme = chosen;
  document.documentElement.dataset.scripted = ""; // long tables begin short where a script can show the rest
})();
