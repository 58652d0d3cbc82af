// What the program wrote for the script (src/report/page_data.cpp). All strings were cleaned there; they are text all
// the same, and reach the page by textContent alone.

export type Estimate = [value: number | null, low: number | null, high: number | null];

export interface Variant {
  name: string;
  control: string;
  bits: number | null;
  size_bytes: number | null;
  sparsity: number | null;
}

export interface Group {
  name: string;
  base: number | null;
  variant: number | null;
  difference: Estimate;
  effective_n: number | null;
  hatched: boolean;
}

export interface Result {
  row: string;
  variant: string;
  task: string;
  outcome: string;
  dimension: string;
  primary: boolean;
  verdict: string;
  glyph: string;
  difference: Estimate;
  margin: number | null;  // on the scale of difference
  is_ratio: boolean;
  effect: string;
  groups: Group[];
}

export interface Answer {
  prediction: number;
  log_likelihoods: (number | null)[];
}

export interface FlippedItem {
  variant: string;
  task: string;
  id: string;
  group: string;
  context: string;
  choices: string[];
  target: number;
  base: Answer;
  changed: Answer;
  sensitive: boolean;
}

export interface Data {
  variants: Variant[];
  results: Result[];
  flipped: FlippedItem[];  // the stored ones
  num_flipped: number;
}

export function readData(): Data {
  const element = document.getElementById("data");
  if (!element?.textContent) throw new Error("the page holds no data");
  return JSON.parse(element.textContent) as Data;
}

// "−0.042", as the tables write it.
export function numberText(value: number | null | undefined, sign: "signed" | "plain" = "plain"): string {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  const digits = size.toFixed(size < 10 ? 3 : size < 100 ? 2 : 1);
  if (Number(digits) === 0) return digits;
  return (value < 0 ? "−" : sign === "signed" ? "+" : "") + digits;
}

export function differenceText([value, low, high]: Estimate): string {
  const text = numberText(value, "signed");
  return low === null && high === null ? text : `${text} [${numberText(low, "signed")}, ${numberText(high, "signed")}]`;
}

export function distinct(values: Iterable<string>): string[] {
  return [...new Set(values)];
}
