// What the plots share.

import {element} from "./dom";

// Plot brings a <style> element, which the page's policy refuses; the page's own style sheet holds its rules.
export function figure(caption: string, plot: SVGElement | HTMLElement): HTMLElement {
  for (const style of plot.querySelectorAll("style")) style.remove();
  return element("figure", "", element("figcaption", "", caption), plot);
}

export function append(host: HTMLElement, ...children: Node[]): void {
  host.replaceChildren(...children);
}

const kGap = 24;  // between figures, as in style.css

// The width of a figure when as many as fit, each at least `least` wide, share a row of `host`.
export function columnWidth(host: HTMLElement, least: number): number {
  const columns = Math.max(1, Math.floor((host.clientWidth + kGap) / (least + kGap)));
  return Math.max(240, Math.floor((host.clientWidth + kGap) / columns) - kGap - 1);
}

const kSvg = "http://www.w3.org/2000/svg";

// Diagonal lines in the colour of `className`, for bars that too few items stand behind.
export function hatch(id: string, className: string): SVGSVGElement {
  const svg = document.createElementNS(kSvg, "svg");
  const pattern = document.createElementNS(kSvg, "pattern");
  const line = document.createElementNS(kSvg, "path");
  for (const [name, value] of Object.entries(
           {id, width: "6", height: "6", patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)"})) {
    pattern.setAttribute(name, value);
  }
  line.setAttribute("d", "M0 0V6");
  line.setAttribute("class", className);
  pattern.append(line);
  svg.append(pattern);
  svg.setAttribute("class", "defs");
  svg.setAttribute("aria-hidden", "true");
  return svg;
}
