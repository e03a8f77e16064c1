// The form: a field for each input of the chosen model, by side, filled with one of its golden rows.

const SIDES = { user: "User", context: "Context", item: "Item" };
const MOST_BESIDE = 20; // golden rows whose item side is scored beside the chosen one
let model = null; // {name, version, address, inputs, rows, fields}

async function showModels() {
  const index = JSON.parse(await ask("v2/repository/index", ""));
  const ready = index.filter(({ state }) => state === "READY").reverse(); // the highest version of a model first
  ready.sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
  at("model").replaceChildren(...ready.map(({ name, version }) =>
    element("option", { value: `v2/models/${encodeURIComponent(name)}/versions/${version}` }, `${name}, version ${version}`)));
  await showForm();
}

async function showForm() {
  const address = at("model").value;
  const about = JSON.parse(await ask(`${address}/form`));
  model = { ...about, address, fields: about.inputs.map(field) };
  const sides = Object.keys(SIDES).map((side) => [side, model.fields.filter(({ input }) => input.side === side)]);
  at("sides").replaceChildren(...sides.filter(([, fields]) => fields.length).map(([side, fields]) => element("fieldset", {},
    element("legend", {}, SIDES[side]), element("div", { class: "inputs" }, ...fields.map(({ box }) => box)))));
  at("row").replaceChildren(element("option", { value: "" }, "empty fields"),
    ...model.rows.map((_, k) => element("option", { value: k }, `golden row ${k + 1}`)));
  at("row").value = model.rows.length ? "0" : "";
  showBeside();
  fill();
}

function showBeside() {
  const hasItems = model.inputs.some(({ side }) => side === "item") && model.rows.length > 1;
  at("beside").replaceChildren(element("option", { value: "" }, "this row"),
    ...(hasItems ? [element("option", { value: "others" }, "with other items")] : []));
}

function field(input, k) {
  const id = `input-${k}`, isList = input.shape.length > 1, isText = input.datatype === "BYTES";
  const hint = !isList ? input.datatype : isText ? `${input.datatype}, one per line` : `${input.datatype}, with spaces between`;
  const common = { id, spellcheck: "false", autocapitalize: "off", inputmode: isText || isList ? undefined : "decimal" };
  const control = isList ? element("textarea", { ...common, rows: 2 }) : element("input", { ...common, type: "text" });
  const box = element("div", {}, element("label", { for: id }, ...breakable(input.name), " ", element("small", {}, hint)), control);
  if (input.choices.length && !isList) {
    control.setAttribute("list", `${id}-choices`);
    box.append(element("datalist", { id: `${id}-choices` }, ...input.choices.map((value) => element("option", { value }))));
  }
  return { input, control, box, isList, isText, loaded: null };
}

function fill() {
  const row = at("row").value === "" ? {} : model.rows[at("row").value];
  for (const field of model.fields) {
    const cell = row[field.input.name] ?? null;
    field.control.value = field.isList ? (cell ?? []).join(field.isText ? "\n" : " ") : cell ?? "";
    field.loaded = { text: field.control.value, cell };
  }
}

// What stands in a field; untouched, exactly what was put there. An empty field is a missing value.
function cellOf({ control, isList, isText, loaded }) {
  if (control.value === loaded.text) return loaded.cell;
  if (!isList) return (isText ? control.value : control.value.trim()) || null;
  return control.value.split(isText ? /\n/ : /[\s,]+/).filter((value) => value !== "");
}

// The golden rows whose items are to be scored beside the one in the form, by place.
function others() {
  if (!at("beside").value) return [];
  return [...model.rows.keys()].filter((k) => String(k) !== at("row").value).slice(0, MOST_BESIDE);
}

// Tensors of the row in the form, and of the item sides of golden rows beside it.
function inputsOf(beside) {
  return model.fields.flatMap((field) => {
    const rows = field.input.side === "item" ? beside : [];
    return tensors(field.input, [cellOf(field), ...rows.map((k) => model.rows[k][field.input.name])]);
  });
}
