// What the server made of a row: scores as bars, gates by how far they moved, and the request to copy.

const MOST_PARTS = 8, MOST_GATES = 12, MOST_IN_SHORT = 6;

function showScores({ outputs }, beside, milliseconds) {
  const shown = outputs.filter(({ name }) => !name.startsWith("logits_"));
  const numbers = shown.filter(({ shape }) => shape.length === 1);
  at("took").replaceChildren(inShort(numbers, milliseconds), " ", element("a", { href: "#result" }, "More ↓"));
  at("scores").replaceChildren(...shown.flatMap(scoresOf));
  at("others").replaceChildren(...(beside.length ? [besideOthers(numbers, beside)] : []));
}

// Beside the button, so that nobody has to scroll to see what a change did.
function inShort(numbers, milliseconds) {
  const scores = numbers.slice(0, MOST_IN_SHORT).map((output) => `${taskOf(output)} ${digits(output.data[0])}`);
  return [...scores, `${milliseconds.toFixed(0)} ms there and back`].join(" · ");
}

const taskOf = ({ name }) => name.replace(/^(probs1?|y)_/, "");

// The first row's number of an output, or one per class.
function scoresOf({ name, shape, data }) {
  const isShare = name.startsWith("probs"), task = taskOf({ name }), classes = shape[1] ?? 1;
  return data.slice(0, classes).map((value, k) => element("tr", { "data-output": name, "data-value": value },
    element("th", { scope: "row" }, classes > 1 ? `${task}, class ${k}` : name.startsWith("probs1_") ? `${task}, class 1` : task),
    element("td", {}, isShare ? bar(0, value) : ""), element("td", {}, digits(value))));
}

// All candidates, the one with the highest first task on top; the first is the row in the form.
function besideOthers(outputs, beside) {
  const order = [0, ...beside.map((_, k) => k + 1)].sort((a, b) => (outputs[0]?.data[b] ?? 0) - (outputs[0]?.data[a] ?? 0));
  const heads = outputs.map((output) => element("th", { scope: "col" }, taskOf(output)));
  const line = (k) => element("tr", { class: k ? undefined : "chosen" },
    element("th", { scope: "row" }, k ? `item of golden row ${beside[k - 1] + 1}` : "▸ the item above"),
    ...outputs.map(({ data }) => element("td", {}, digits(data[k]))));
  return element("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Scores of several items" },
    element("table", {}, element("caption", {}, "For the same user and context"),
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "candidate"), ...heads)),
      element("tbody", {}, ...order.map(line))));
}

const digits = (value) => (value === null ? "–" : Math.abs(value) >= 0.001 || !value ? value.toFixed(4) : value.toExponential(2));

function showGates({ gates }) {
  const withParts = gates.filter(({ cells }) => cells.length > 1);
  const layers = gates.filter(({ cells }) => cells.length === 1).sort((a, b) => b.cells[0].moved[0] - a.cells[0].moved[0]);
  const blocks = [...withParts.map(partsOf), ...(layers.length ? [layersOf(layers)] : [])];
  at("gates").replaceChildren(...(blocks.length ? [legend(gates), element("div", { class: "by-gate" }, ...blocks)]
    : [element("p", { class: "quiet" }, "This model has no gates.")]));
}

function legend(gates) {
  const scales = gates.some(({ gamma }) => gamma !== null), mixes = gates.some(({ gamma }) => gamma === null);
  const words = [
    scales ? "A gate multiplies: ↑ above 1 turns a feature or layer up, ↓ below 1 turns it down, × 1.00 leaves it as it is." : "",
    mixes ? "A mixture gives shares to its experts; the line is an equal share." : "",
  ];
  return element("p", { class: "quiet" }, words.filter(Boolean).join(" "));
}

const titleOf = ({ name, task, layer }) => [name, task, layer].filter(Boolean).join(" ");

function partsOf(gate) {
  const [, ...cells] = gate.cells;
  cells.sort((a, b) => Math.abs(b.mean[0] - gate.neutral) - Math.abs(a.mean[0] - gate.neutral));
  return element("div", {}, element("h4", {}, titleOf(gate)),
    bars(cells.slice(0, MOST_PARTS).map(({ part, mean }) => line(gate, part, mean[0])), cells.length - MOST_PARTS));
}

function layersOf(gates) {
  const lines = gates.slice(0, MOST_GATES).map((gate) => line(gate, titleOf(gate), gate.cells[0].mean[0], gate.cells[0].moved[0]));
  return element("div", {}, element("h4", {}, "Task layers: mean, and ± how far their units moved"),
    bars(lines, gates.length - MOST_GATES, "bars layers"));
}

function line({ gamma, neutral }, name, value, moved) {
  const top = gamma ?? 1, arrow = value > neutral ? "↑" : "↓";
  const number = gamma === null ? `${(100 * value).toFixed(1)} %` : `${arrow} × ${value.toFixed(2)}`;
  return element("tr", { "data-value": value, "data-moved": moved }, element("th", { scope: "row" }, ...breakable(name)),
    element("td", {}, bar(neutral / top, value / top, neutral / top)),
    element("td", {}, moved === undefined ? number : `${number} ± ${moved.toFixed(2)}`));
}

function bars(lines, rest, look = "bars") {
  const more = rest > 0 ? [element("tr", {}, element("td", { colspan: 3, class: "quiet words" }, `${rest} moved less`))] : [];
  return element("table", { class: look }, element("tbody", {}, ...lines, ...more));
}

function showCode(inputs, text) {
  const asked = { ...model, address: new URL(`${model.address}/infer`, document.baseURI).href };
  at("code").replaceChildren(...toCopy("curl", curl(asked.address, text)), ...toCopy("Python", python(asked, inputs, text)));
}

function toCopy(title, text) {
  const block = element("pre", { tabindex: 0, "aria-label": title }, text), button = element("button", { type: "button" }, "Copy");
  button.setAttribute("aria-label", `Copy ${title}`);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch { // not allowed over plain HTTP from another machine
      getSelection().selectAllChildren(block);
      button.textContent = "Selected: press Ctrl-C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 3000);
  });
  return [element("div", { class: "code" }, element("h4", {}, title), button), block];
}
