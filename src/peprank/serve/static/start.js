// Score what stands in the form, ask what the gates did, and say what went wrong.

async function score() {
  const beside = others(), inputs = inputsOf(beside), text = requestText(inputs);
  const began = performance.now();
  const scores = JSON.parse(await ask(`${model.address}/infer`, text));
  const took = performance.now() - began;
  const gates = JSON.parse(await ask(`${model.address}/explain`, requestText(inputsOf([]))));
  showScores(scores, beside, took);
  showGates(gates);
  showCode(inputs, text);
  at("result").classList.remove("old");
  at("result").hidden = false;
}

// Do something for the form, after what is under way. What fails is said beside the button, and old results go.
let last = Promise.resolve();
const attempt = (work) => { last = last.then(() => tried(work)); };

async function tried(work) {
  at("score").ariaDisabled = "true"; // truly disabled, it would lose the keyboard's focus
  at("error").hidden = true;
  try {
    await work();
  } catch (error) {
    at("error").textContent = error.message;
    at("error").hidden = false;
    at("result").hidden = true;
    at("took").replaceChildren();
  }
  at("score").ariaDisabled = null;
}

at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!at("score").ariaDisabled) attempt(score);
});
at("form").addEventListener("input", () => {
  at("result").classList.add("old"); // it is of another request
  at("took").replaceChildren();
});
at("model").addEventListener("change", () => attempt(showForm));
at("row").addEventListener("change", fill);
attempt(showModels);
poll();
