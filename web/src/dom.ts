// Elements with text in them; no markup is ever parsed.

type Child = Node | string;

export function element<K extends keyof HTMLElementTagNameMap>(
    tag: K, className: string, ...children: Child[]): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

export interface Choice {
  value: string;
  label: string;
}

// A labelled <select>; `changed` runs on every choice.
export function select(label: string, choices: Choice[], changed: () => void): [HTMLLabelElement, HTMLSelectElement] {
  const box = element("select", "");
  for (const choice of choices) {
    const option = element("option", "", choice.label);
    option.value = choice.value;
    box.append(option);
  }
  box.addEventListener("change", changed);
  return [element("label", "", element("span", "", label), box), box];
}

export function allAnd(values: string[]): Choice[] {
  return [{value: "", label: "all"}, ...values.map((value) => ({value, label: value || "(none)"}))];
}
