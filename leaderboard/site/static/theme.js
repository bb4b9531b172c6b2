// Before anything is painted: the theme that was chosen, or the system's.
(() => {
  let chosen = "auto";
  try { chosen = localStorage.getItem("mtlbench-theme") ?? "auto"; } catch { /* storage may be closed to files */ }
  document.documentElement.dataset.theme = chosen;
})();
