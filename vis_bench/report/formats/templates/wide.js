// Tables scroll alone: where one goes on beyond the edge, the edge fades, and the keyboard can scroll it.
(() => {
  const look = (box) => {
    const left = box.scrollLeft > 1, right = box.scrollLeft + box.clientWidth < box.scrollWidth - 1;
    box.toggleAttribute("data-more", right);
    if (left || right) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  };
  const sizes = new ResizeObserver((seen) => seen.forEach((one) => look(one.target)));
  for (const box of document.querySelectorAll(".wide")) {
    box.addEventListener("scroll", () => look(box), {passive: true});
    sizes.observe(box);
  }
})();
