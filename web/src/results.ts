// Filters over the table of all results. The rows are the program's; the script only hides some.

import {distinct, type Data} from "./data";
import {allAnd, byId, select} from "./dom";

export function showResults(data: Data): void {
  const render = () => {
    for (const r of data.results) {
      const matches = (!variant.value || r.variant === variant.value) &&
          (!dimension.value || r.dimension === dimension.value) && (!verdict.value || r.verdict === verdict.value) &&
          (!kind.value || r.primary === (kind.value === "primary"));
      byId(r.row).hidden = !matches;
    }
  };
  const [variantLabel, variant] = select("Variant", allAnd(distinct(data.results.map((r) => r.variant))), render);
  const [dimensionLabel, dimension] =
      select("Dimension", allAnd(distinct(data.results.map((r) => r.dimension))), render);
  const [verdictLabel, verdict] = select("Verdict", allAnd(distinct(data.results.map((r) => r.verdict))), render);
  const [kindLabel, kind] = select("Outcomes", allAnd(["primary", "exploratory"]), render);
  byId("results-filters").append(variantLabel, dimensionLabel, verdictLabel, kindLabel);

  // A cell of the heat map leads to its row, which a filter may have hidden.
  addEventListener("hashchange", () => {
    const row = document.getElementById(location.hash.slice(1));
    if (!(row instanceof HTMLTableRowElement) || !row.hidden) return;
    for (const box of [variant, dimension, verdict, kind]) box.value = "";
    render();
    row.scrollIntoView();
  });
}
