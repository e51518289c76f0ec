"use strict";
// Columns of the leaderboards are sorted by a click, or by Enter on the button in their header.
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
      rows.sort((one, two) => compare(one.cells[column], two.cells[column], falling));
      table.tBodies[0].append(...rows);
    });
  });
}

function compare(one, two, falling) {
  const left = value(one), right = value(two);
  if (Number.isNaN(left) || Number.isNaN(right)) {
    if (Number.isNaN(left) && Number.isNaN(right)) {
      const order = one.textContent.localeCompare(two.textContent);
      return falling ? -order : order;
    }
    return Number.isNaN(left) ? 1 : -1; // what has no number comes last either way
  }
  return falling ? right - left : left - right;
}

function value(cell) {
  return parseFloat(cell.dataset.value ?? cell.textContent.replaceAll(",", ""));
}
