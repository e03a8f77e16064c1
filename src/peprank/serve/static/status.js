// Whether the server is ready, its versions, and how fast they answered in the last minute, from /metrics.

const POLL_MS = 2000, WINDOW_MS = 60000;
const STAGES = ["decode", "encode", "queue", "model", "reply"];
const seen = []; // {time, versions} of the last minute, oldest first

async function poll() {
  if (!document.hidden) {
    try {
      const [index, metrics] = await Promise.all([ask("v2/repository/index", ""), ask("metrics")]);
      seen.push({ time: performance.now(), versions: counted(metrics) });
      while (seen.length > 2 && seen[0].time < performance.now() - WINDOW_MS) seen.shift();
      showVersions(JSON.parse(index));
      at("state").textContent = await said();
    } catch (error) {
      at("state").textContent = `✗ ${error.message}`;
    }
  }
  setTimeout(poll, POLL_MS);
}

async function said() {
  try {
    await ask("v2/health/ready");
    return "✓ Ready: all models can be asked.";
  } catch (error) {
    return `✗ Not ready. ${error.message}`;
  }
}

// "model version" -> its numbers, out of Prometheus text.
function counted(text) {
  const versions = new Map();
  for (const [, name, list, value] of text.matchAll(/^peprank_(\w+)\{(.*)\} (\S+)$/gm)) {
    const labels = Object.fromEntries([...list.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map((found) => found.slice(1)));
    const key = `${labels.model} ${labels.version}`;
    if (!versions.has(key)) versions.set(key, new Map());
    const what = [name, labels.status ?? labels.stage ?? labels.outcome ?? "", labels.le ?? ""].join(" ").trim();
    versions.get(key).set(what, Number(value));
  }
  return versions;
}

function showVersions(index) {
  const [first, last] = [seen[0], seen[seen.length - 1]];
  const seconds = (last.time - first.time) / 1000;
  at("versions").replaceChildren(...index.flatMap(({ name, version, state, reason }) => {
    const now = last.versions.get(`${name} ${version}`) ?? new Map();
    const before = first.versions.get(`${name} ${version}`) ?? new Map();
    const since = (what) => (now.get(what) ?? 0) - (before.get(what) ?? 0);
    const total = (what) => (now.get(what) ?? 0).toLocaleString("en");
    const rate = seconds ? since("request_seconds_count success") / seconds : 0;
    const cells = [
      state.toLowerCase(), ...[0.5, 0.99].map((share) => quantile(now, since, share)), rate.toFixed(1),
      total("request_seconds_count success"), total("request_seconds_count failure"), total("pending_requests"),
    ];
    const row = element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, version),
      ...cells.map((cell) => element("td", {}, cell)));
    return [row, ...below("quiet", stages(since)), ...below("bad", reason)];
  }));
}

const below = (look, text) => (text ? [element("tr", { class: look }, element("td", { colspan: 9 }, element("div", {}, text)))] : []);

// Between two bounds of the histogram, which come in ascending order, as if times lay evenly there.
function quantile(now, since, share) {
  const bucket = "request_seconds_bucket success ";
  const wanted = share * since("request_seconds_count success");
  if (!wanted) return "–";
  let [low, below] = [0, 0];
  for (const what of [...now.keys()].filter((what) => what.startsWith(bucket) && !what.endsWith("+Inf"))) {
    const [bound, upTo] = [Number(what.slice(bucket.length)), since(what)];
    if (upTo >= wanted) return milliseconds(low + (bound - low) * (wanted - below) / (upTo - below));
    [low, below] = [bound, upTo];
  }
  return `over ${low} s`;
}

function stages(since) {
  const mean = (stage) => since(`stage_seconds_sum ${stage}`) / since(`stage_seconds_count ${stage}`);
  const timed = STAGES.filter((stage) => since(`stage_seconds_count ${stage}`) > 0);
  return timed.length ? `On average ${timed.map((stage) => `${stage} ${milliseconds(mean(stage))}`).join(" · ")}` : "";
}

const milliseconds = (seconds) => `${(1000 * seconds).toFixed(seconds < 0.1 ? 1 : 0)} ms`;
