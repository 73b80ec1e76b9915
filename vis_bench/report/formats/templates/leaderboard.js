"use strict";
// Rows that do not fit what is asked for are hidden; every table says how many it shows.
const asked = document.getElementById("filters");
const fits = (row) => {
  const text = asked.elements.text.value.trim().toLowerCase();
  const paradigm = asked.elements.paradigm.value, kind = asked.elements.kind.value;
  return (!text || row.dataset.text.toLowerCase().includes(text)) && (!paradigm || row.dataset.paradigm === paradigm)
    && (!kind || row.dataset.online === kind) && (!asked.elements.checked.checked || row.dataset.checked === "re-scored");
};
const filter = () => {
  for (const table of document.querySelectorAll("table.board")) {
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) row.hidden = !fits(row);
    const shown = rows.filter((row) => !row.hidden).length;
    table.parentElement.nextElementSibling.textContent = shown < rows.length ? `${shown} of ${rows.length} entries shown.` : "";
  }
};
asked.addEventListener("input", filter);
asked.addEventListener("submit", (event) => event.preventDefault());
filter();
