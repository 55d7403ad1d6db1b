// What a page can do without a script it does; this adds to long tables that
// they can be sorted and filtered. Words come from the page.
"use strict";

// value is what a cell sorts by: numbers by size, ∞ last of them, – after all.
function value(row, column) {
  const text = row.cells[column].textContent.trim();
  if (text === "∞") return Number.MAX_VALUE;
  if (text === "–") return Infinity;
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a === b ? 0 : a < b ? -1 : 1;
  if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
  return a.localeCompare(b, document.documentElement.lang);
}

function sortable(table) {
  const body = table.tBodies[0];
  const heads = Array.from(table.tHead.rows[0].cells);
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = Array.from(body.rows, (row) => ({ row, key: value(row, column) }));
      rows.sort((a, b) => (down ? -1 : 1) * compare(a.key, b.key));
      body.append(...rows.map((r) => r.row));
    });
  });
}

function filterable(table, box) {
  const words = box.querySelector("label");
  const input = document.createElement("input");
  input.type = "search";
  input.id = table.id + "-filter";
  input.autocomplete = "off";
  words.htmlFor = input.id;
  words.after(input);
  const none = box.querySelector("[role=status]");
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLocaleLowerCase();
    let left = 0;
    for (const row of table.tBodies[0].rows) {
      row.hidden = !row.textContent.toLocaleLowerCase().includes(wanted);
      if (!row.hidden) left++;
    }
    none.hidden = left > 0;
  });
  box.hidden = false;
}

for (const table of document.querySelectorAll("table.sortable")) {
  sortable(table);
  const box = document.getElementById(table.id + "-box");
  if (box) filterable(table, box);
}
