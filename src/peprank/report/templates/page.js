"use strict";
(() => {
  const themes = JSON.parse(document.getElementById("themes").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Set();

  async function draw(plot) {
    const { data, layout } = JSON.parse(plot.nextElementSibling.textContent);
    layout.template = themes[dark.matches ? "dark" : "light"];
    drawn.add(plot);
    await Plotly.react(plot, data, layout, { responsive: true, displayModeBar: false });
    if (data[0]?.type === "heatmap" && !hasRoom(plot, data[0])) await Plotly.restyle(plot, { texttemplate: "" });
  }

  // Numbers that would shrink to fit their cells are left out: they are under the pointer.
  function hasRoom(plot, map) {
    const cell = plot.querySelector(".nsewdrag").getBoundingClientRect().width / map.z[0].length;
    const longest = Math.max(...map.text.flat().map((text) => text.length));
    return cell >= 6.5 * longest;
  }

  // A plot is drawn when it comes near the screen: those in closed folds cost nothing.
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        watcher.unobserve(entry.target);
        draw(entry.target);
      }
    }
  }, { rootMargin: "400px" });
  document.querySelectorAll(".plot").forEach((plot) => watcher.observe(plot));
  dark.addEventListener("change", () => drawn.forEach(draw));

  // Numbers first, the largest on top at the first click; cells without a number stay last.
  function order(cell, isText) {
    if (cell.dataset.order !== undefined) return Number(cell.dataset.order);
    return isText ? cell.textContent.trim() : null;
  }

  function compare(a, b, direction) {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return direction * (typeof a === "number" ? a - b : a.localeCompare(b, undefined, { numeric: true }));
  }

  function sort(heading) {
    const isText = heading.classList.contains("words");
    const first = isText ? "ascending" : "descending";
    const other = isText ? "descending" : "ascending";
    const way = heading.getAttribute("aria-sort") === first ? other : first;
    for (const each of heading.parentElement.children) each.setAttribute("aria-sort", each === heading ? way : "none");
    const body = heading.closest("table").tBodies[0];
    const key = (row) => order(row.cells[heading.cellIndex], isText);
    const direction = way === "ascending" ? 1 : -1;
    body.append(...[...body.rows].sort((one, other) => compare(key(one), key(other), direction)));
  }

  document.querySelectorAll("thead button").forEach((button) => {
    button.addEventListener("click", () => sort(button.parentElement));
  });
})();
