"use strict";
// Pictures are drawn when the part that holds them is opened.
function draw(part) {
  const sheets = part.closest(".benchmark")?.querySelector(":scope > template");
  for (const template of [sheets, part.querySelector(":scope > template")]) template?.replaceWith(template.content);
  for (const table of part.querySelectorAll("table.records")) makeSortable(table);
}

for (const part of document.querySelectorAll(".part")) part.addEventListener("toggle", () => draw(part));

// A link to a row or a chart opens the parts around it.
function reveal() {
  const id = decodeURIComponent(location.hash.slice(1));
  if (!id) return;
  for (const template of document.querySelectorAll(".part > template"))
    if (template.content.getElementById(id)) draw(template.parentElement);
  const target = document.getElementById(id);
  for (let around = target; around; around = around.parentElement) if (around.matches("details")) around.open = true;
  target?.scrollIntoView({ block: "center", behavior: "instant" });
}

addEventListener("hashchange", reveal);

// A click on a column's header, or Enter on the button in it, sorts the table by that column.
function makeSortable(table) {
  if (table.querySelector("thead button")) return;
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
      showRanks(table, column);
    });
  });
}

// The ranks are those of the metric that sorts; other columns leave them as they are.
function showRanks(table, column) {
  const metric = table.tHead.rows[0].cells[column], by = table.querySelector("thead small");
  if (!by || !table.querySelector("tbody tr").cells[column].dataset.rank) return;
  by.textContent = "by " + metric.textContent.replace(/\s*[↑↓]/, "");
  for (const row of table.tBodies[0].rows)
    row.cells[0].textContent = row.matches(".unranked") ? "–" : row.cells[column].dataset.rank;
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

// Above each leaderboard: a field that filters its rows by name, and a list of its columns.
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function addControls(board) {
  const table = board.querySelector("table"), headers = [...table.tHead.rows[0].cells];
  const filter = element("input", { type: "search", placeholder: "part of a name" });
  filter.addEventListener("input", () => {
    const words = filter.value.toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.cells[1].textContent.toLowerCase().includes(words);
  });
  const boxes = headers.slice(2).map((header, index) => {
    const box = element("input", { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      for (const row of table.rows) row.cells[index + 2].hidden = !box.checked;
    });
    return element("label", {}, box, " " + header.textContent);
  });
  const columns = element("details", { className: "columns" }, element("summary", {}, "Columns"), ...boxes);
  board.before(element("div", { className: "controls" }, element("label", {}, "Samplers ", filter), columns));
}

for (const board of document.querySelectorAll(".board")) {
  addControls(board);
  makeSortable(board.querySelector("table"));
}
reveal();
