"use strict";
// Tables sort by a click on a column's head, or by Enter or Space on it. Without this script they are in the
// order of the page, and nothing else changes.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.querySelectorAll("thead tr:last-child th, thead th[rowspan]")].sort(
    (a, b) => Number(a.dataset.column) - Number(b.dataset.column)
  );
  const body = table.tBodies[0];
  const original = [...body.rows];
  for (const head of heads) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const next = { none: "descending", descending: "ascending", ascending: "none" };
      const direction = next[head.getAttribute("aria-sort") || "none"];
      for (const other of heads) other.removeAttribute("aria-sort");
      if (direction !== "none") head.setAttribute("aria-sort", direction);
      body.append(...sorted(original, Number(head.dataset.column), direction));
    });
  }
}

function sorted(rows, column, direction) {
  if (direction === "none") return rows;
  const sign = direction === "ascending" ? 1 : -1;
  const value = (row) => {
    const cell = row.cells[column];
    return cell.dataset.value === undefined ? cell.textContent.trim() : cell.dataset.value;
  };
  // What has no value comes last, whichever way.
  return [...rows].sort((a, b) => {
    const [x, y] = [value(a), value(b)];
    if (x === "" || y === "") return (x === "") - (y === "");
    const [m, n] = [Number(x), Number(y)];
    return sign * (Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y) : m - n);
  });
}

// What is folded away is printed too, also where the style sheet alone cannot do it.
const folded = () => [...document.querySelectorAll("details:not([open])")];
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = folded();
  for (const one of opened) one.open = true;
});
window.addEventListener("afterprint", () => {
  for (const one of opened) one.open = false;
});
