// Base and variant by group as bars, and the difference with its interval beside them.

import * as Plot from "@observablehq/plot";
import {differenceText, distinct, numberText, type Data, type Group, type Result} from "./data";
import {byId, element, select} from "./dom";
import {append, columnWidth, figure, hatch} from "./plots";

const kRow = 44;  // pixels a group

interface Bar {
  group: string;
  arm: "base" | "variant";
  value: number;
  hatched: boolean;
  label: string;
}

function barsOf(groups: Group[]): Bar[] {
  const bars: Bar[] = [];
  for (const group of groups) {
    for (const arm of ["base", "variant"] as const) {
      const value = group[arm];
      if (value === null) continue;
      bars.push({
        group: group.name,
        arm,
        value,
        hatched: group.hatched,
        label: `${group.name}, ${arm}: ${numberText(value)} (${numberText(group.effective_n)} effective items)`,
      });
    }
  }
  return bars;
}

function drawBars(result: Result, width: number, left: number): Node {
  const plot = Plot.plot({
    width,
    height: result.groups.length * kRow + 60,
    marginLeft: left,
    className: "plot",
    ariaLabel: `${result.task} ${result.outcome} by group, base and ${result.variant}`,
    x: {label: `${result.task} ${result.outcome}`, grid: true, nice: true},
    y: {domain: ["base", "variant"], axis: null, padding: 0.1},
    fy: {domain: result.groups.map((g) => g.name), label: null, padding: 0.2},
    marks: [
      Plot.barX(barsOf(result.groups), {
        x: "value",
        y: "arm",
        fy: "group",
        fill: (b: Bar) => b.hatched ? `url(#hatch-${b.arm})` : `var(--${b.arm})`,
        title: "label",
      }),
      Plot.ruleX([0]),
    ],
  });
  return figure("Values: base above, variant below", plot);
}

function drawDifferences(result: Result, width: number, left: number): Node {
  const groups = result.groups.filter((g) => g.difference[0] !== null).map((g) => ({
    name: g.name,
    value: g.difference[0],
    low: g.difference[1] ?? g.difference[0],
    high: g.difference[2] ?? g.difference[0],
    label: `${g.name}: ${differenceText(g.difference)}`,
  }));
  const margin = result.margin ?? 0;
  const plot = Plot.plot({
    width,
    height: result.groups.length * kRow + 60,
    marginLeft: left,
    className: "plot",
    ariaLabel: `Difference by group, ${result.variant} against base`,
    x: {label: "difference (negative is harm)", grid: true, nice: true},
    y: {domain: result.groups.map((g) => g.name), label: null},
    marks: [
      Plot.rect([0], {x1: -margin, x2: margin, className: "band"}),
      Plot.ruleX([0]),
      Plot.ruleY(groups, {y: "name", x1: "low", x2: "high", strokeWidth: 2, className: "whisker"}),
      Plot.dot(groups, {y: "name", x: "value", r: 5, className: "dots", title: "label"}),
    ],
  });
  return figure("Differences with 95 % interval; the band is the outcome's margin", plot);
}

export function showGroups(data: Data): void {
  const grouped = data.results.filter((r) => r.groups.length > 0);
  if (grouped.length === 0) return;
  const host = byId("groups-plot");
  const outcomes = distinct(grouped.map((r) => `${r.task} ${r.outcome}`));
  const figures = element("div", "figures");
  const legend = element("p", "key arms", element("span", "arm-base", "base"), element("span", "arm-variant", "variant"),
      element("span", "arm-hatched", "fewer than 20 effective items"));
  append(host, hatch("hatch-base", "hatch-base"), hatch("hatch-variant", "hatch-variant"), legend, figures);

  const render = () => {
    const result = grouped.find((r) => r.variant === variant.value && `${r.task} ${r.outcome}` === outcome.value);
    if (!result) {
      figures.replaceChildren(element("p", "", "This variant has no groups for this outcome."));
      return;
    }
    const width = Math.min(640, columnWidth(host, 420));
    const longest = Math.max(...result.groups.map((g) => g.name.length));
    const left = Math.min(Math.max(60, longest * 7), width * 0.4);
    figures.replaceChildren(drawBars(result, width, left), drawDifferences(result, width, left));
  };
  const choices = (values: string[]) => values.map((value) => ({value, label: value}));
  const [variantLabel, variant] = select("Variant", choices(distinct(grouped.map((r) => r.variant))), render);
  const [outcomeLabel, outcome] = select("Outcome", choices(outcomes), render);
  byId("groups-filters").append(variantLabel, outcomeLabel);
  render();
  addEventListener("resize", render);
}
