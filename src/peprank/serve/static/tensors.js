// Requests from cells, and as text to copy. A cell is text, a list of it, or null: numbers stay as they were typed, since
// ids are longer than the whole numbers that JavaScript can hold. What is no number goes as text, and the server says so.

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;

function json(value, datatype) {
  if (value === null) return "null";
  return datatype !== "BYTES" && NUMBER.test(value) ? value : JSON.stringify(value);
}

// An input as one tensor, or as two where its rows have different numbers of values.
function tensors({ name, datatype, shape }, cells) {
  if (shape.length === 1) return [{ name, datatype, shape: [cells.length], data: cells }];
  const lists = cells.map((cell) => cell ?? []), lengths = lists.map((list) => list.length);
  if (lengths.every((length) => length === lengths[0])) {
    return [{ name, datatype, shape: [cells.length, lengths[0]], data: lists.flat() }];
  }
  const counts = { name: `${name}.lengths`, datatype: "INT64", shape: [cells.length], data: lengths.map(String) };
  return [{ name, datatype, shape: [lists.flat().length], data: lists.flat() }, counts];
}

function requestText(inputs) {
  const each = inputs.map(({ name, datatype, shape, data }) => {
    const values = data.map((value) => json(value, datatype)).join(", ");
    return `{"name": ${JSON.stringify(name)}, "shape": ${JSON.stringify(shape)}, "datatype": "${datatype}", "data": [${values}]}`;
  });
  return `{"inputs": [${each.join(", ")}]}`;
}

function curl(address, text) {
  const quoted = (words) => `'${words.replaceAll("'", "'\\''")}'`;
  return `curl -s ${quoted(address)} -H 'Content-Type: application/json' -d ${quoted(text)}`;
}

const NUMPY = { INT64: "np.int64", FP32: "np.float32", FP64: "np.float64", BYTES: "np.object_" };

// tritonclient knows no missing values but NaN; a request with others is sent as JSON.
function python({ name, version, address }, inputs, text) {
  if (inputs.some(({ datatype, data }) => !datatype.startsWith("FP") && data.includes(null))) return pythonJson(address, text);
  const tensor = ({ name, datatype, shape, data }) => {
    const values = data.map((value) => (value === null ? "np.nan" : json(value, datatype))).join(", ");
    const array = `np.array([${values}], ${NUMPY[datatype]})${shape.length > 1 ? `.reshape(${shape.join(", ")})` : ""}`;
    return `    tensor(${JSON.stringify(name)}, "${datatype}", ${array}),\n`;
  };
  return `import numpy as np
import tritonclient.http as http


def tensor(name, datatype, values):
    made = http.InferInput(name, values.shape, datatype)
    made.set_data_from_numpy(values)
    return made


inputs = [
${inputs.map(tensor).join("")}]
client = http.InferenceServerClient(${JSON.stringify(address.split("/v2/")[0].replace(/^http:\/\//, ""))})
answer = client.infer(${JSON.stringify(name)}, inputs, model_version=${JSON.stringify(version)})
for output in answer.get_response()["outputs"]:
    print(output["name"], answer.as_numpy(output["name"]))
`;
}

const pythonJson = (address, text) => `import json
import urllib.request

body = ${JSON.stringify(text)}.encode()  # as JSON, since tritonclient cannot send values that are missing
request = urllib.request.Request(${JSON.stringify(address)}, body, {"Content-Type": "application/json"})
for output in json.load(urllib.request.urlopen(request))["outputs"]:
    print(output["name"], output["data"])
`;
