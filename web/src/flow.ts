// Tables on a phone: a row becomes a small block in which each value follows the name of its column,
// so that nothing has to be scrolled sideways for. The style sheet does it; here the names are given.

/** The text over each column, group before head, whatever spans. */
function heads(table: HTMLTableElement): string[] {
  const names: string[][] = [];
  const taken: boolean[][] = [];
  [...(table.tHead?.rows ?? [])].forEach((row, at) => {
    let column = 0;
    for (const cell of row.cells) {
      while (taken[at]?.[column]) column += 1;
      const text = (cell.textContent ?? "").replace(/[▲▼]/g, "").trim();
      for (let across = 0; across < cell.colSpan; across += 1, column += 1) {
        for (let down = 0; down < cell.rowSpan; down += 1) (taken[at + down] ??= [])[column] = true;
        if (text) (names[column] ??= []).push(text);
      }
    }
  });
  const english = document.documentElement.lang.startsWith("en");
  const joined = Array.from(names, (parts) => (parts ?? []).join(" "));
  // Columns under one head: it is said once. Labels are written in lower case, and begin a line here.
  const once = joined.map((name, at) => (at > 0 && name === joined[at - 1] ? "" : name));
  return english ? once.map((name) => name.charAt(0).toUpperCase() + name.slice(1)) : once;
}

/** Gives every value its name; a table without heads stays a table. */
export function flow(root: ParentNode): void {
  for (const table of root.querySelectorAll<HTMLTableElement>(".scroll > table:not(.narrow)")) {
    const names = heads(table);
    if (names.length === 0) continue;
    table.classList.add("flow");
    // A style that makes blocks of rows takes their meaning away; it is said again.
    table.setAttribute("role", "table");
    for (const part of [table.tHead, ...table.tBodies]) part?.setAttribute("role", "rowgroup");
    for (const row of table.rows) {
      row.setAttribute("role", "row");
      let column = 0;
      for (const cell of row.cells) {
        const head = cell.tagName === "TH";
        const kind = row.parentElement === table.tHead ? "columnheader" : head ? "rowheader" : "cell";
        cell.setAttribute("role", kind);
        if (kind === "cell" && cell.colSpan === 1) cell.dataset.name = names[column] ?? "";
        column += cell.colSpan;
      }
    }
  }
}
