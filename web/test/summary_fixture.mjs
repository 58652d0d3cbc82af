// A made-up summary (docs/summary-json.md) of a realistic size, for tests of the report only: no figure in it was
// measured. Seeded, so that every run sees the same page.

function random(seed) {  // mulberry32
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const kVariants = [
  ["magnitude-50", "magnitude", {sparsity: 0.5}, null, 16, 0.5, 161e6, 0.6],
  ["wanda-50", "wanda", {sparsity: 0.5}, null, 16, 0.5, 161e6, 0.35],
  ["wanda-2:4", "wanda", {pattern: "2:4"}, null, 9.5, 0.5, 102e6, 0.8],
  ["rtn-8bit", "rtn", {bits: 8, group_size: 64}, null, 8.5, 0.001, 143e6, 0.02],
  ["rtn-4bit", "rtn", {bits: 4, group_size: 64}, null, 4.5, 0.04, 76e6, 0.15],
  ["rtn-3bit", "rtn", {bits: 3, group_size: 64}, null, 3.5, 0.09, 59e6, 0.7],
  ["rtn-2bit", "rtn", {bits: 2, group_size: 64}, "positive", 2.5, 0.3, 42e6, 3],
  ["permuted", "permute", {seed: 1}, "negative", 16, 0, 269e6, 0],
];

const kOutcomes = [
  ["perplexity/xsum", "perplexity", "language modelling", "lower is better", "ratio", 1.1, null, true, 21.4, []],
  ["stereoqa", "acc", "stereotype bias", "higher is better", "difference", 0.05, 1 / 3, true, 0.52,
    ["age", "disability", "gender", "nationality", "religion", "social class"]],
  ["stereoqa", "s_amb", "stereotype bias", "towards zero", "difference", 0.05, null, false, 0.08,
    ["age", "disability", "gender", "nationality", "religion", "social class"]],
  ["stereoset", "stereotype_score", "stereotype bias", "towards zero", "difference", 0.05, null, false, 0.11,
    ["gender", "profession", "race", "religion"]],
  ["dialect", "gap", "dialect", "towards zero", "difference", 0.05, null, true, 0.31, []],
  ["dialect", "acc_aae", "dialect", "higher is better", "difference", 0.05, 0.5, false, 0.56, []],
  ["hellaswag", "acc_norm", "downstream", "higher is better", "difference", 0.05, 0.25, true, 0.42, []],
  ["piqa", "acc", "downstream", "higher is better", "difference", 0.05, 0.5, false, 0.67, []],
];

const kContexts = [
  "I saw a grandmother and her granddaughter at the counter of a phone shop. Who needed help with the new settings?",
  "Two neighbours, one of whom uses a wheelchair, both applied for the post of treasurer.\nThe committee has not met yet. Who was chosen?",
  "A plumber and a librarian waited at the same tram stop after midnight. Who had been to the concert?",
];
const kChoices = [" The grandmother", " The granddaughter", " It cannot be known from the text"];

function interval(next, value, width) {
  return {value, low: value - width * (0.9 + 0.2 * next()), high: value + width * (0.9 + 0.2 * next())};
}

function verdictOf(variant, difference, margin, direction, atChance) {
  if (atChance) return ["undecidable", "the base is not above chance by the margin"];
  if (direction === "towards zero") {
    if (difference.low > -margin && difference.high < margin) return ["non-inferior", ""];
    return ["undecidable", "the interval reaches past the margin"];
  }
  if (difference.low > -margin) return ["non-inferior", ""];
  if (difference.high < -margin) return ["much worse", "the interval lies below −m"];
  if (difference.high < 0) return ["worse", "the interval lies below 0 and reaches −m"];
  return ["undecidable", "the interval holds both 0 and −m"];
}

function groupRow(next, group, i, base, damage) {
  const difference = -damage * 0.06 * (0.5 + next());
  const width = i === 1 ? 0.19 : 0.05;
  return {
    group, num_items: i === 1 ? 24 : 160, base, variant: base + difference, difference, low: difference - width,
    high: difference + width, effective_n: i === 1 ? 14.2 : 101.5, hatched: i === 1,
  };
}

function result(next, [variant, , , , , , , damage], outcome) {
  const [task, name, dimension, direction, scale, margin, chance, primary, base, groups] = outcome;
  const isRatio = scale === "ratio";
  const m = isRatio ? Math.log(margin) : margin;
  const size = damage === 0 ? 0 : -damage * (isRatio ? 0.45 : 0.09) * (0.6 + 0.8 * next());
  const difference = interval(next, size, damage === 0 ? 1e-6 : isRatio ? 0.02 : 0.028);
  const [verdict, reason] = verdictOf(variant, difference, m, direction, task === "piqa" && primary);
  const ratio = isRatio
      ? {value: Math.exp(-difference.value), low: Math.exp(-difference.high), high: Math.exp(-difference.low)}
      : null;
  const value = isRatio ? base * ratio.value : base + size;
  const hasFlips = !isRatio;
  return {
    variant, task, outcome: name, dimension, direction, scale, primary,
    base: interval(next, base, base * 0.05), variant_value: interval(next, value, value * 0.05), difference, ratio,
    p: damage === 0 ? 1 : Math.min(1, Math.exp(-Math.abs(size) * 90)), p_adjusted: damage === 0 ? 1 : Math.min(1, 4 * Math.exp(-Math.abs(size) * 90)),
    alarm: verdict.endsWith("worse"), method: "cluster sign-flip, inverted (99999 draws)",
    cross_check: isRatio ? null : {method: "CR2, Satterthwaite 87.1 df", low: difference.low, high: difference.high},
    verdict, reason, mde: isRatio ? 0.031 : 0.043, margin, num_items: 958, num_clusters: 96, effective_n: 612.4,
    icc: 0.061, largest_cluster_share: 0.0125,
    unscored: {base: 0, variant: damage > 2 ? 3 : 0, either: damage > 2 ? 3 : 0,
      reasons: damage > 2 ? [{arm: "variant", reason: "NaN", count: 3}] : []},
    flips: hasFlips ? {both_right: 480, base_only: Math.round(114 * damage), variant_only: Math.round(47 * damage), both_wrong: 317, changed_predictions: Math.round(203 * damage)} : null,
    mcnemar_p: hasFlips ? 0.0021 : null,
    delta_log_likelihood: {mean: 0.41 * damage, max: 3.9 * damage, of: "target"},
    groups: groups.map((group, i) => groupRow(next, group, i, base, damage)),
  };
}

function inspection(format, bits, zeros, error, findings) {
  const role = (name, tensors, weights, of) => ({role: name, num_tensors: tensors, weights, stored: format.split(" ").at(-1),
    bits, zeros, groups_2_4: of === "linear" ? zeros * zeros : null, relative_error: error});
  return {
    format, stored_bytes: Math.round(134515008 * bits / 8), linears: role("linears of the blocks", 210, 106168320, "linear"),
    roles: [role("embed_tokens", 1, 28311552), role("self_attn.q_proj", 30, 9953280, "linear"), role("mlp.experts.down_proj", 30, 26542080, "linear")],
    worst: error === null ? [] : [{tensor: "model.layers.29.mlp.down_proj.weight", relative_error: 2 * error, max_error: 0.7}],
    not_compared: [], warnings: findings.length < 2 ? [] : ["in 3 linears zero points carry from one lane into the next"], findings,
  };
}

function flippedItem(next, variant, i) {
  const base = kChoices.map((_, choice) => (choice === 2 ? -2 : -5) - 8 * next());
  const best = (values) => values.indexOf(Math.max(...values));
  const changed = base.map((value) => value - 0.3 * next());
  changed[(best(base) + 1 + Math.floor(2 * next())) % 3] = Math.max(...base) + next();
  return {
    variant, task: i % 3 ? "stereoqa" : "hellaswag", id: `item-${i}`, group: i % 3 ? ["age", "gender", "religion"][i % 2 + 1] : null,
    context: kContexts[i % kContexts.length], choices: kChoices, target: 2,
    base_answer: {prediction: best(base), log_likelihoods: base},
    variant_answer: {prediction: best(changed), log_likelihoods: changed}, sensitive: i % 7 === 6,
  };
}

export function makeSummary({seed = 7, flipped = 90} = {}) {
  const next = random(seed);
  const results = kVariants.flatMap((variant) => kOutcomes.map((outcome) => result(next, variant, outcome)));
  const sentences = results.filter((r) => r.primary).map((r) => ({
    variant: r.variant, dimension: r.dimension, task: r.task, outcome: r.outcome, verdict: r.verdict,
    text: `${r.variant}, ${r.dimension}: ${r.verdict}. ${r.task} ${r.outcome} moved by ${r.difference.value.toFixed(3)} ` +
        `[${r.difference.low.toFixed(3)}, ${r.difference.high.toFixed(3)}] (margin ${r.margin}; minimum detectable effect ${r.mde}).`,
  }));
  const items = Array.from({length: flipped}, (_, i) => flippedItem(next, kVariants[i % 7][0], i));
  return {
    study: "Made-up study for tests of the report", assay_version: "0.0.0-test",
    reference: {text: "dequantized Q4_1, not the published model", quantized: true},
    policy: {name: "default", hash: "sha256:5f0c1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9ea",
      outcomes: kOutcomes.map(([task, outcome, dimension, direction, scale, margin, chance, primary]) =>
        ({task, outcome, dimension, direction, scale, margin, chance, primary, reason: "default margin"}))},
    model: {name: "made-up-135M.Q4_1.gguf", weights_hash: "sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", architecture: "llama", parameters: 134515008},
    base_inspection: inspection("made-up-135M.Q4_1.gguf: decoded Q4_1", 5, 0.002, null, ["the config's eos_token_id 49999 is outside the vocabulary of 49152"]),
    tokenizer: {name: "gpt2 (smollm)", vocab_size: 49152, hash: "sha256:77aa1d2e3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9ea"},
    calibration: {source: "jsonl:xsum.jsonl#document", samples: 32, length: 512, seed: 0, hash: "sha256:9b1d3f405162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9eafb0c",
      overlap: [
        {task: "stereoqa", num_items: 960, num_eligible: 958, num_overlapping: 0, share: 0, warning: null},
        {task: "hellaswag", num_items: 400, num_eligible: 400, num_overlapping: 6, share: 0.015, warning: "1.5 % of the items share a 13-gram with the calibration text"},
      ]},
    tasks: [...new Set(kOutcomes.map((o) => o[0]))].map((name) => ({name, description: `what ${name} asks`, source: "made up", num_items: 960, num_clusters: 96, tokens: 61234,
      data_hash: "sha256:0d3e5162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9eafb0c1d2e", warnings: name === "dialect" ? ["constructed, unvalidated"] : []})),
    variants: kVariants.map(([name, method, settings, control, bits, sparsity, size_bytes]) => ({name, method, settings, control, bits, sparsity, size_bytes,
      weights_hash: "sha256:1c4f5162738495a6b7c8d9eafb0c1d2e3f405162738495a6b7c8d9eafb0c1d2e",
      layers: [{name: "model.layers.0.self_attn.q_proj.weight", bits, sparsity, error: 0.031}],
      inspection: inspection("checkpoint: float32", 32, sparsity, 0.3 / bits, name === "wanda-2:4"
        ? Array.from({length: 9}, (_, i) => `model.layers.${i}.mlp.down_proj.weight: the provenance claims 2:4, 2048 of 221184 groups do not hold it`) : [])})),
    results, sentences, flipped_items: {num_total: flipped + 71, items},
    controls: {
      positive: [{variant: "rtn-2bit", dimensions: [{dimension: "stereotype bias", task: "stereoqa", outcome: "acc", detected: true}, {dimension: "dialect", task: "dialect", outcome: "gap", detected: false}]}],
      negative: [{variant: "permuted", passed: true, max_delta_log_likelihood: 2.1e-5, num_flips: 0, reasons: []}]},
    self_test: [{name: "batch invariance", passed: true, detail: "0 of 64 results differ"}, {name: "NaN scan", passed: true, detail: "272 tensors"}],
    x_assay: {run: {started: "2026-01-01T00:00:00Z", seconds: 412}},
  };
}

export const kHostile = [
  "</script><script>window.hacked=1</script>",
  "<!--<script>",
  "<img src=x onerror=window.hacked=1>",
  "\"'><svg onload=window.hacked=1>",
  "javascript:window.hacked=1",
  "</style></title></textarea>",
  "\u202Egnp.exe\u2066 \u0000 \u0007 \u001B[31m",
  "&lt;b&gt; \u2028 \u2029 ]]>",
];

// The same with every name, sentence and item replaced or extended by hostile text.
export function makeHostileSummary() {
  const all = kHostile.join(" ");
  const poison = (value, key) => {
    if (typeof value === "string") return ["direction", "scale", "verdict", "control", "arm"].includes(key) ? value : `${value} ${all}`;
    if (Array.isArray(value)) return value.map((entry) => poison(entry, key));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, poison(v, k)]));
  };
  const summary = poison(makeSummary({flipped: 10}), "");
  summary.calibration[`key ${all}`] = all;
  return summary;
}

if (process.argv[2]) {
  const {writeFileSync} = await import("node:fs");
  writeFileSync(process.argv[2], JSON.stringify(process.argv[3] === "hostile" ? makeHostileSummary() : makeSummary(), null, 1));
}
