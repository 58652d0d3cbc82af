// Flipped items: filters and a list that grows on demand.

import {distinct, numberText, type Answer, type Data, type FlippedItem} from "./data";
import {allAnd, byId, element, select} from "./dom";

const kPage = 20;

type Direction = "" | "lost" | "won" | "other";

function directionOf(item: FlippedItem): Direction {
  if (item.target < 0) return "other";
  if (item.base.prediction === item.target) return "lost";
  return item.changed.prediction === item.target ? "won" : "other";
}

function answerCell(answer: Answer, index: number): HTMLTableCellElement {
  const picked = answer.prediction === index;
  const cell = element("td", picked ? "num pick" : "num", numberText(answer.log_likelihoods[index]));
  if (picked) cell.append(" ◀", element("span", "sr", "chosen"));
  return cell;
}

function heading(...labels: string[]): HTMLTableSectionElement {
  const row = element("tr", "");
  for (const [i, label] of labels.entries()) {
    const cell = element("th", i === 0 ? "" : "num", label);
    cell.scope = "col";
    row.append(cell);
  }
  return element("thead", "", row);
}

function choicesTable(item: FlippedItem): HTMLTableElement {
  const body = element("tbody", "");
  for (const [i, choice] of item.choices.entries()) {
    const name = element("th", "", element("bdi", "", choice));
    name.scope = "row";
    if (i === item.target) name.append(" ", element("span", "tag target", "target"));
    body.append(element("tr", "", name, answerCell(item.base, i), answerCell(item.changed, i)));
  }
  return element("table", "", heading("choice", "base", "variant"), body);
}

// Sensitive text stays out of sight, of selection and of the accessibility tree until it is asked for.
function blurred(content: HTMLElement): HTMLElement {
  const button = element("button", "", "Show sensitive text");
  button.type = "button";
  content.classList.add("blurred");
  content.inert = true;
  button.addEventListener("click", () => {
    content.classList.remove("blurred");
    content.inert = false;
    button.remove();
  });
  return element("div", "veil", content, button);
}

function card(item: FlippedItem): HTMLElement {
  const facts = element("p", "facts", element("b", "", item.variant), ` · ${item.task}`);
  if (item.group) facts.append(` · ${item.group}`);
  facts.append(` · item ${item.id}`);
  const content = element("div", "", element("blockquote", "", element("bdi", "", item.context)), choicesTable(item));
  return element("article", "flip", facts, item.sensitive ? blurred(content) : content);
}

export function showFlips(data: Data): void {
  const list = byId("flips-list");
  const more = byId("flips-more");
  let shown = kPage;

  const render = () => {
    const matching = data.flipped.filter(
        (item) => (!variant.value || item.variant === variant.value) && (!task.value || item.task === task.value) &&
            (!group.value || item.group === group.value) &&
            (!direction.value || directionOf(item) === direction.value));
    list.replaceChildren(...matching.slice(0, shown).map(card));
    byId("flips-count").textContent =
        `${Math.min(shown, matching.length)} of ${matching.length} matching items (${data.flipped.length} stored, ${data.num_flipped} flipped in all)`;
    more.hidden = shown >= matching.length;
  };
  const changed = () => {
    shown = kPage;
    render();
  };

  const [variantLabel, variant] = select("Variant", allAnd(distinct(data.flipped.map((f) => f.variant))), changed);
  const [taskLabel, task] = select("Task", allAnd(distinct(data.flipped.map((f) => f.task))), changed);
  const [groupLabel, group] = select("Group", allAnd(distinct(data.flipped.map((f) => f.group)).sort()), changed);
  const [directionLabel, direction] = select(
      "Change",
      [
        {value: "", label: "all"},
        {value: "lost", label: "right → wrong"},
        {value: "won", label: "wrong → right"},
        {value: "other", label: "between others"},
      ],
      changed);
  byId("flips-filters").append(variantLabel, taskLabel, groupLabel, directionLabel);
  more.addEventListener("click", () => {
    shown += kPage;
    render();
  });
  render();
}
