// The index: where the reader is, sections that fold, links that open what they lead to, paper without folds.
(() => {
  const index = document.getElementById("index"), fold = index.querySelector("details");
  const side = matchMedia("(min-width: 64rem)"), links = [...index.querySelectorAll('a[href^="#"]')];
  const folds = [...document.querySelectorAll("main details:not(.classes)")];
  const named = (link) => document.getElementById(decodeURIComponent(link.hash.slice(1)));
  index.classList.add("live");

  // at the side it is always open; above the page it is folded until it is asked for
  const settle = () => { fold.open = side.matches; };
  side.addEventListener("change", settle);
  settle();

  const open = (target) => {
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
  };
  let asked = null;
  const arrive = () => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    open(target);
    asked = target;
    target.scrollIntoView();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]'), target = link && named(link);
    if (!target) return;
    open(target); // before the browser goes there
    asked = target;
    if (index.contains(link)) settle();
  });
  window.addEventListener("hashchange", arrive);
  window.addEventListener("load", arrive);

  // the last heading above the upper third of the window; at the end of the page what was asked for, if it is in sight
  let waiting = false;
  const follow = () => {
    waiting = false;
    const tops = links.map((link) => [link, named(link)]).filter(([, target]) => target
      && !target.parentElement.closest("details:not([open])")).map(([link, target]) => [link, target.getBoundingClientRect().top]);
    let here = tops.filter(([, top]) => top < window.innerHeight / 3).pop();
    if (window.scrollY + window.innerHeight >= document.documentElement.scrollHeight - 2)
      here = tops.find(([link, top]) => named(link) === asked && top >= 0) || tops[tops.length - 1];
    for (const link of links) link.removeAttribute("aria-current");
    for (const item of index.querySelectorAll("li.here")) item.classList.remove("here");
    if (!here) return;
    here[0].setAttribute("aria-current", "true");
    for (let at = here[0].closest("li"); at; at = at.parentElement.closest("li")) at.classList.add("here");
    // the index itself scrolls, never the page: scrollIntoView would move both
    const box = here[0].getBoundingClientRect(), frame = index.getBoundingClientRect();
    if (side.matches && (box.top < frame.top || box.bottom > frame.bottom)) index.scrollTop += box.top - frame.top - frame.height / 2;
  };
  const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(follow); } };
  window.addEventListener("scroll", soon, {passive: true});
  window.addEventListener("resize", soon);
  for (const one of folds) one.addEventListener("toggle", soon);
  soon();

  index.querySelector('[data-part="unfold"]').addEventListener("click", () => { for (const one of folds) one.open = true; });
  index.querySelector('[data-part="fold"]').addEventListener("click", () => { for (const one of folds) one.open = false; });

  // on paper nothing is folded
  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = folds.filter((one) => !one.open);
    for (const one of closed) one.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
    closed = [];
  });
})();
