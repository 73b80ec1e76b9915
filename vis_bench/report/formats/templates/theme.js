// The theme: that of the system, until a button asks for the other one. Runs before the first line is drawn.
(() => {
  const root = document.documentElement, KEY = "vis-bench-theme", system = matchMedia("(prefers-color-scheme: dark)");
  // a page that was opened from disk may have no storage: the choice then holds until it is closed
  const remembered = () => { try { return localStorage.getItem(KEY); } catch { return null; } };
  const remember = (theme) => {
    try { if (theme) localStorage.setItem(KEY, theme); else localStorage.removeItem(KEY); } catch { /* no storage */ }
  };
  const ofSystem = () => (system.matches ? "dark" : "light");
  const other = () => ((root.dataset.theme || ofSystem()) === "dark" ? "light" : "dark");
  const label = () => {
    for (const button of document.querySelectorAll("[data-theme-button]")) {
      button.textContent = other() === "dark" ? "Dark theme" : "Light theme";
      button.hidden = false;
    }
  };
  const choose = (theme) => {
    if (theme === ofSystem()) delete root.dataset.theme;
    else root.dataset.theme = theme;
    remember(root.dataset.theme);
    label();
  };
  if (["light", "dark"].includes(remembered())) root.dataset.theme = remembered();
  system.addEventListener("change", label);
  document.addEventListener("DOMContentLoaded", label);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-theme-button]")) choose(other());
  });
})();
