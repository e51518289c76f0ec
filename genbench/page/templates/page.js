"use strict";
// A click on a column's header, or Enter on the button in it, sorts the table by that column.
for (const table of document.querySelectorAll(".scroll > table:not(.context)")) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const before = header.getAttribute("aria-sort");
      const falling = before ? before === "ascending" : header.textContent.includes("↑");
      for (const other of headers) other.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((first, second) => compare(first.cells[column], second.cells[column], falling));
      table.tBodies[0].append(...rows);
    });
  });
}

function compare(first, second, falling) {
  const left = value(first), right = value(second);
  if (Number.isNaN(left) || Number.isNaN(right)) {
    if (Number.isNaN(left) && Number.isNaN(right)) {
      const order = first.textContent.localeCompare(second.textContent);
      return falling ? -order : order;
    }
    return Number.isNaN(left) ? 1 : -1; // cells without a number come last in both directions
  }
  return falling ? right - left : left - right;
}

function value(cell) {
  return parseFloat(cell.dataset.value ?? cell.textContent.replaceAll(",", ""));
}
