"use strict";
// Cells are sorted by the number in front, or as text; cells without a number stay last.
const number = (text) => parseFloat(text.replace(/,/g, ""));
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, row = head.parentElement, place = [...row.children].indexOf(head);
    const body = head.closest("table").tBodies[0], isNumber = head.classList.contains("number");
    const order = head.getAttribute("aria-sort") || (isNumber ? "ascending" : "descending");
    const sign = order === "ascending" ? -1 : 1;
    const cell = (line) => line.children[place].textContent.trim();
    const compare = (a, b) => {
      if (!isNumber) return sign * cell(a).localeCompare(cell(b), undefined, {numeric: true});
      const [x, y] = [number(cell(a)), number(cell(b))];
      if (isNaN(x) || isNaN(y)) return isNaN(x) - isNaN(y);
      return sign * (x - y);
    };
    for (const other of row.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
    body.append(...[...body.rows].sort(compare));
  });
}
