// Bits per weight against the difference of each primary outcome, with intervals and the margin as a band.

import * as Plot from "@observablehq/plot";
import {distinct, type Data, type Result, type Variant} from "./data";
import {byId, element, select} from "./dom";
import {append, columnWidth, figure} from "./plots";

interface Axis {
  label: string;
  of: (variant: Variant) => number | null;
}

const kAxes: Record<string, Axis> = {
  bits: {label: "bits per weight", of: (v) => v.bits},
  size: {label: "size, MB", of: (v) => (v.size_bytes === null ? null : v.size_bytes / 1e6)},
};

const kMarginsShown = 4;  // a positive control may be hundreds of margins away and would flatten the rest

interface Point {
  number: number;
  name: string;
  x: number;
  value: number;
  low: number;
  high: number;
  beyond: boolean;
  verdictClass: string;
  label: string;
}

function pointsOf(data: Data, results: Result[], axis: Axis, margin: number): Point[] {
  const limit = kMarginsShown * margin;
  const clamp = (y: number) => Math.max(-limit, Math.min(limit, y));
  const points: Point[] = [];
  for (const [i, variant] of data.variants.entries()) {
    const result = results.find((r) => r.variant === variant.name);
    const x = axis.of(variant);
    const [value, low, high] = result?.difference ?? [null, null, null];
    if (!result || x === null || value === null) continue;
    points.push({
      number: i + 1,
      name: variant.name,
      x,
      value: clamp(value),
      low: clamp(low ?? value),
      high: clamp(high ?? value),
      beyond: Math.abs(value) > limit,
      verdictClass: `mark-${result.verdict.replaceAll(" ", "-")}`,
      label: `${variant.name}: ${result.effect}, ${result.verdict}`,
    });
  }
  return points;
}

// Variants of one size stand side by side instead of on top of each other; `step` is a dot's width.
function spread(points: Point[], step: number): void {
  for (const x of new Set(points.map((p) => p.x))) {
    const same = points.filter((p) => p.x === x);
    same.forEach((p, i) => (p.x += (i - (same.length - 1) / 2) * step));
  }
}

function draw(data: Data, results: Result[], axis: Axis, width: number): Node {
  const first = results[0]!;
  const margin = first.margin ?? 0;
  const points = pointsOf(data, results, axis, margin);
  const xs = points.map((p) => p.x);
  const extent = Math.max(...xs, 1) * 1.05;
  spread(points, extent * 20 / (width - 70));
  const top = Math.max(margin * 1.5, ...points.map((p) => p.high)) + margin * 0.3;
  const bottom = Math.min(-margin * 1.5, ...points.map((p) => p.low)) - margin * 0.3;
  const plot = Plot.plot({
    width,
    height: 280,
    marginLeft: 52,
    className: "plot",
    ariaLabel: `Difference of ${first.task} ${first.outcome} against ${axis.label}`,
    x: {domain: [0, Math.max(extent, ...points.map((p) => p.x * 1.04))], label: axis.label, nice: true},
    y: {domain: [bottom, top], label: first.is_ratio ? "log ratio (negative is harm)" : "difference (negative is harm)", grid: true},
    marks: [
      Plot.rect([0], {y1: -margin, y2: margin, className: "band"}),
      Plot.ruleY([0]),
      Plot.ruleX(points, {x: "x", y1: "low", y2: "high", strokeWidth: 2, className: "whisker"}),
      Plot.dot(points, {x: "x", y: "value", r: 9, className: "dots"}),
      Plot.text(points, {x: "x", y: "value", text: (p: Point) => String(p.number), className: "numbers"}),
      Plot.text(points.filter((p) => p.beyond), {
        x: "x",
        y: "value",
        dy: 16,
        text: (p: Point) => p.value < 0 ? "▼" : "▲",
        className: "beyond",
      }),
      Plot.tip(points, Plot.pointer({x: "x", y: "value", title: "label"})),
    ],
  });
  const dots = plot.querySelectorAll(".dots circle");
  points.forEach((p, i) => dots[i]?.classList.add(p.verdictClass));
  const beyond = points.some((p) => p.beyond) ? " (▼ ▲ lies beyond the plot)" : "";
  return figure(`${first.dimension}: ${first.task} ${first.outcome}${beyond}`, plot);
}

function legend(data: Data): HTMLElement {
  const list = element("ol", "number-key");
  for (const v of data.variants) list.append(element("li", "", v.control ? `${v.name} (${v.control} control)` : v.name));
  return list;
}

export function showSizes(data: Data): void {
  const host = byId("sizes-plot");
  const primary = data.results.filter((r) => r.primary);
  const keys = distinct(primary.map((r) => JSON.stringify([r.task, r.outcome])));
  const figures = element("div", "figures");
  const [label, axis] = select(
      "Against", Object.entries(kAxes).map(([value, a]) => ({value, label: a.label})), () => render());
  append(host, element("div", "filters", label), figures, legend(data));

  const render = () => {
    const width = columnWidth(host, 340);
    figures.replaceChildren(...keys.map((key) => draw(
        data, primary.filter((r) => JSON.stringify([r.task, r.outcome]) === key), kAxes[axis.value]!, width)));
  };
  render();
  addEventListener("resize", render);
}
