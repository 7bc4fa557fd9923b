/* settings.js - what a conversation asks of the sampler.  Names are the server's; what is
 * not set is not sent, so that the server's own default holds. */

export const FIELDS = [
  {name: "temperature", label: "Temperature", min: 0, max: 2, step: 0.05,
    hint: "0: always the most likely token"},
  {name: "top_p", label: "Top p", min: 0, max: 1, step: 0.01,
    hint: "the most likely tokens with this sum"},
  {name: "top_k", label: "Top k", min: 0, max: 1_000_000, step: 1,
    hint: "the k most likely tokens; 0: all"},
  {name: "min_p", label: "Min p", min: 0, max: 1, step: 0.01,
    hint: "tokens this likely, compared with the best one"},
  {name: "max_completion_tokens", label: "Longest answer", min: 1, max: 100_000_000, step: 1,
    hint: "in tokens"},
  {name: "seed", label: "Seed", min: 0, max: Number.MAX_SAFE_INTEGER, step: 1,
    hint: "the same seed gives the same answer"},
];
export const MAX_STOP = 16;

/* The settings that a value holds. */
export function cleanSettings(value) {
  const out = {};
  if (value === null || typeof value !== "object") return out;
  for (const {name, min, max, step} of FIELDS) {
    const x = value[name];
    if (typeof x !== "number" || !(x >= min && x <= max)) continue;
    if (step === 1 && !Number.isInteger(x)) continue;
    out[name] = x;
  }
  if (Array.isArray(value.stop)) {
    const stop = value.stop.filter((s) => typeof s === "string" && s !== "").slice(0, MAX_STOP);
    if (stop.length) out.stop = stop;
  }
  return out;
}
