/* metrics.c - metrics.h: tables of series and one renderer.
 *
 * Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, 0.0.4). */
#include "serve/metrics.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"

enum {
    MAX_BOUNDS = 32,
    MAX_ADAPTERS = 64,
    FIRST_STATUS = 100,
    LAST_STATUS = 599
};

/* -- histograms -------------------------------------------------------------------- */

typedef enum histogram_id {
    FIRST_TOKEN,
    GAP,
    TOTAL,
    QUEUE,
    INFERENCE,
    PREFILL,
    DECODE,
    TOKEN_MEAN,
    N_PROMPT,
    N_GENERATED,
    N_ANSWER,
    N_MAX,
    N_HISTOGRAM
} histogram_id;

/* Upper bounds, ascending, ended by 0.  The first of gaps and latencies are finer than
 * vLLM's: a small model answers in less. */
static const double bounds_first[] = {0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1,
                                      0.25,  0.5,   0.75, 1,    2.5,  5,    7.5,  10,
                                      20,    40,    80,   160,  640,  2560, 0};
static const double bounds_gap[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
                                    0.15,  0.2,    0.3,   0.4,  0.5,   0.75, 1,     2.5,
                                    5,     7.5,    10,    20,   40,    80,   0};
static const double bounds_request[] = {0.01, 0.05, 0.1, 0.3, 0.5,  0.8,  1,  1.5, 2,
                                        2.5,  5,    10,  15,  20,   30,   40, 50,  60,
                                        120,  240,  480, 960, 1920, 7680, 0};
static const double bounds_tokens[] = {1,     2,     5,     10,     20,     50,
                                       100,   200,   500,   1000,   2000,   5000,
                                       10000, 20000, 50000, 100000, 200000, 0};
static const double bounds_answers[] = {1, 2, 5, 10, 20, 50, 100, 0};

static const double *const bounds[N_HISTOGRAM] = {
    [FIRST_TOKEN] = bounds_first, [GAP] = bounds_gap,
    [TOTAL] = bounds_request,     [QUEUE] = bounds_request,
    [INFERENCE] = bounds_request, [PREFILL] = bounds_request,
    [DECODE] = bounds_request,    [TOKEN_MEAN] = bounds_gap,
    [N_PROMPT] = bounds_tokens,   [N_GENERATED] = bounds_tokens,
    [N_ANSWER] = bounds_answers,  [N_MAX] = bounds_tokens,
};

/* The names under which they appear; GAP has an older one too. */
static const struct {
    histogram_id id;
    const char *name, *help;
} histograms[] = {
    {FIRST_TOKEN, "vllm:time_to_first_token_seconds",
     "From the request to its first token."},
    {GAP, "vllm:inter_token_latency_seconds", "Between two tokens of an answer."},
    {GAP, "vllm:time_per_output_token_seconds", "The same under its older name."},
    {TOKEN_MEAN, "vllm:request_time_per_output_token_seconds",
     "Mean time between the tokens of a request."},
    {TOTAL, "vllm:e2e_request_latency_seconds", "From the request to its end."},
    {QUEUE, "vllm:request_queue_time_seconds", "From the request to its admission."},
    {INFERENCE, "vllm:request_inference_time_seconds", "From admission to the end."},
    {PREFILL, "vllm:request_prefill_time_seconds",
     "From admission to the first token."},
    {DECODE, "vllm:request_decode_time_seconds", "From the first token to the end."},
    {N_PROMPT, "vllm:request_prompt_tokens", "Tokens of the prompt."},
    {N_GENERATED, "vllm:request_generation_tokens", "Tokens of all answers."},
    {N_ANSWER, "vllm:request_params_n", "Answers asked for."},
    {N_MAX, "vllm:request_params_max_tokens", "Tokens asked for at most, where given."},
};

typedef struct histogram {
    uint64_t count[MAX_BOUNDS]; /* not cumulative; the last one is +Inf */
    double sum;
} histogram;

typedef struct adapter {
    char *name;
    int waiting, running;
} adapter;

struct metrics {
    hone_buf label; /* model_name="..." with escapes */
    hone_engine_info engine;
    histogram histogram[N_HISTOGRAM];
    uint64_t finished[METRICS_N_FINISH];
    uint64_t replies[LAST_STATUS + 1];
    adapter adapter[MAX_ADAPTERS];
    size_t n_adapter;
    double adapter_time; /* when its numbers last changed, seconds since 1970 */
};

static void observe(metrics *m, histogram_id id, double value)
{
    size_t i = 0;
    while (bounds[id][i] > 0.0 && value > bounds[id][i]) {
        i++;
    }
    m->histogram[id].count[i]++;
    m->histogram[id].sum += value;
}

/* -- series that are read off the scheduler ---------------------------------------- */

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

#define READ(name, expression)                                                         \
    static double read_##name(const hone_scheduler_stats *s)                           \
    {                                                                                  \
        return (double)(expression);                                                   \
    }
READ(running, s->n_running)
READ(waiting, s->n_waiting)
READ(usage, ratio(s->kv_bytes_used, s->kv_bytes))
READ(queries, s->n_prompt)
READ(hits, s->n_reused)
READ(preempted, s->n_preempted)
READ(generated, s->n_generated)
READ(draft, s->n_draft)
READ(accepted, s->n_accepted)
READ(forced, s->n_forced)
READ(rejected, s->n_rejected)
READ(kv_bytes, s->kv_bytes)
READ(kv_used, s->kv_bytes_used)
READ(kv_cached, s->kv_bytes_cached)
#undef READ

static const struct {
    const char *name, *type, *help;
    double (*read)(const hone_scheduler_stats *);
} scalars[] = {
    {"vllm:num_requests_running", "gauge", "Requests that run.", read_running},
    {"vllm:num_requests_waiting", "gauge", "Requests in the queue.", read_waiting},
    {"vllm:kv_cache_usage_perc", "gauge",
     "Part of the K/V pages that running requests hold, 0 to 1.", read_usage},
    {"vllm:prefix_cache_queries_total", "counter",
     "Prompt tokens looked up in the cache.", read_queries},
    {"vllm:prefix_cache_hits_total", "counter", "Of them, found.", read_hits},
    {"vllm:num_preemptions_total", "counter", "Times a request gave its pages back.",
     read_preempted},
    {"vllm:prompt_tokens_total", "counter", "Tokens of prompts.", read_queries},
    {"vllm:generation_tokens_total", "counter", "Tokens generated.", read_generated},
    {"hone:draft_tokens_total", "counter", "Tokens guessed ahead.", read_draft},
    {"hone:accepted_tokens_total", "counter", "Of them, right.", read_accepted},
    {"hone:forced_tokens_total", "counter",
     "Tokens appended because the grammar left no choice.", read_forced},
    {"hone:requests_rejected_total", "counter", "Requests refused by a full queue.",
     read_rejected},
    {"hone:kv_bytes", "gauge", "Budget of K/V pages.", read_kv_bytes},
    {"hone:kv_used_bytes", "gauge", "Pages that running requests hold.", read_kv_used},
    {"hone:kv_cached_bytes", "gauge", "Pages that the prefix cache alone holds.",
     read_kv_cached},
};

/* -- recording --------------------------------------------------------------------- */

/* A label's value: backslash, quote and line end are escaped. */
static void append_escaped(hone_buf *b, const char *s)
{
    for (; *s; s++) {
        if (*s == '\\' || *s == '"') hone_buf_append_char(b, '\\');
        if (*s == '\n')
            hone_buf_append_str(b, "\\n");
        else
            hone_buf_append_char(b, *s);
    }
}

hone_status hone_metrics_new(metrics **out, const char *model_name,
                             const hone_engine_info *engine, hone_error *err)
{
    metrics *m = hone_alloc_zero(1, sizeof *m);
    if (!m) return hone_fail(err, HONE_E_NOMEM, "metrics: out of memory");
    hone_buf_init(&m->label, 65536);
    hone_buf_append_str(&m->label, "model_name=\"");
    append_escaped(&m->label, model_name);
    hone_buf_append_str(&m->label, "\"");
    const hone_status s = hone_buf_status(&m->label, "metrics", err);
    if (s) {
        hone_metrics_free(m);
        return s;
    }
    m->engine = *engine;
    *out = m;
    return HONE_OK;
}

void hone_metrics_free(metrics *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->n_adapter; i++) {
        hone_free(m->adapter[i].name);
    }
    hone_buf_release(&m->label);
    hone_free(m);
}

metrics_finish hone_metrics_finish_of(hone_finish f)
{
    return f == HONE_FINISH_STOP     ? METRICS_STOP
           : f == HONE_FINISH_LENGTH ? METRICS_LENGTH
                                     : METRICS_ABORT;
}

const char *hone_metrics_finish_name(metrics_finish f)
{
    static const char *const names[METRICS_N_FINISH] = {"stop", "length", "abort",
                                                        "error"};
    return names[f];
}

void hone_metrics_request(metrics *m, const hone_request_stats *s, metrics_finish f,
                          int n_answer, int n_max)
{
    m->finished[f]++;
    if (f == METRICS_ABORT || f == METRICS_ERROR) return; /* latencies of whole ones */
    observe(m, QUEUE, s->queue_s);
    observe(m, PREFILL, s->prefill_s);
    observe(m, INFERENCE, s->prefill_s + s->decode_s);
    observe(m, TOTAL, s->total_s);
    observe(m, N_PROMPT, (double)s->n_prompt);
    observe(m, N_GENERATED, (double)s->n_generated);
    observe(m, N_ANSWER, n_answer);
    if (n_max >= 0) observe(m, N_MAX, n_max);
    if (s->n_generated == 0) return;
    observe(m, FIRST_TOKEN, s->first_token_s);
    observe(m, DECODE, s->decode_s);
    /* answers run side by side: each has its share of the tokens */
    const double n = (double)s->n_generated / (n_answer > 0 ? n_answer : 1);
    if (n > 1.0) observe(m, TOKEN_MEAN, s->decode_s / (n - 1.0));
}

void hone_metrics_gap(metrics *m, double seconds)
{
    observe(m, GAP, seconds);
}

void hone_metrics_reply(metrics *m, int status)
{
    if (status >= FIRST_STATUS && status <= LAST_STATUS) m->replies[status]++;
}

void hone_metrics_adapter(metrics *m, const char *name, int waiting, int running)
{
    size_t i = 0;
    while (i < m->n_adapter && strcmp(m->adapter[i].name, name) != 0) {
        i++;
    }
    if (i == m->n_adapter) {
        if (i == MAX_ADAPTERS || !(m->adapter[i].name = hone_strdup(name))) return;
        m->n_adapter++;
    }
    m->adapter[i].waiting += waiting;
    m->adapter[i].running += running;
    m->adapter_time = (double)time(NULL);
}

/* -- rendering --------------------------------------------------------------------- */

static void begin_series(hone_buf *to, const char *name, const char *type,
                         const char *help)
{
    hone_buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void render_histogram(const metrics *m, const char *name, const char *help,
                             histogram_id id, hone_buf *to)
{
    const histogram *h = &m->histogram[id];
    const char *label = m->label.data;
    uint64_t n = 0;
    begin_series(to, name, "histogram", help);
    size_t i = 0;
    for (; bounds[id][i] > 0.0; i++) {
        n += h->count[i];
        hone_buf_printf(to, "%s_bucket{%s,le=\"%.10g\"} %llu\n", name, label,
                        bounds[id][i], (unsigned long long)n);
    }
    n += h->count[i];
    hone_buf_printf(to, "%s_bucket{%s,le=\"+Inf\"} %llu\n", name, label,
                    (unsigned long long)n);
    hone_buf_printf(to, "%s_sum{%s} %.17g\n%s_count{%s} %llu\n", name, label, h->sum,
                    name, label, (unsigned long long)n);
}

static void render_steps(const metrics *m, const hone_scheduler_stats *s, hone_buf *to)
{
    static const char name[] = "vllm:iteration_tokens_total";
    const char *label = m->label.data;
    const unsigned long long n = s->n_step, rows = s->n_row;
    unsigned long long below = 0;
    begin_series(to, name, "histogram", "Rows of a step.");
    for (int i = 0; i < HONE_STEP_BUCKETS; i++) {
        below += s->step_rows[i];
        hone_buf_printf(to, "%s_bucket{%s,le=\"%d\"} %llu\n", name, label, 1 << i,
                        below);
    }
    hone_buf_printf(to,
                    "%s_bucket{%s,le=\"+Inf\"} %llu\n%s_sum{%s} %llu\n"
                    "%s_count{%s} %llu\n",
                    name, label, n, name, label, rows, name, label, n);
}

static void append_names(const metrics *m, bool running, hone_buf *to)
{
    bool any = false;
    for (size_t i = 0; i < m->n_adapter; i++) {
        const adapter *a = &m->adapter[i];
        if ((running ? a->running : a->waiting) <= 0) continue;
        if (any) hone_buf_append_char(to, ',');
        append_escaped(to, a->name);
        any = true;
    }
}

/* Gauges whose facts are in their labels. */
static void render_info(const metrics *m, hone_buf *to)
{
    begin_series(to, "vllm:lora_requests_info", "gauge",
                 "Adapters with requests; the value is the time of the last change.");
    hone_buf_printf(to, "vllm:lora_requests_info{%s,max_lora=\"%d\"", m->label.data,
                    MAX_ADAPTERS);
    hone_buf_append_str(to, ",running_lora_adapters=\"");
    append_names(m, true, to);
    hone_buf_append_str(to, "\",waiting_lora_adapters=\"");
    append_names(m, false, to);
    hone_buf_printf(to, "\"} %.17g\n", m->adapter_time);
    begin_series(to, "vllm:cache_config_info", "gauge", "How K/V pages are kept.");
    hone_buf_printf(
        to,
        "vllm:cache_config_info{%s,block_size=\"%d\",kv_cache_bytes=\"%llu\","
        "enable_prefix_caching=\"True\"} 1\n",
        m->label.data, m->engine.page_len, (unsigned long long)m->engine.kv_bytes);
    begin_series(to, "hone:build_info", "gauge", "The program.");
    hone_buf_printf(to, "hone:build_info{%s,version=\"%s\",kernels=\"", m->label.data,
                    HONE_VERSION);
    append_escaped(to, m->engine.kernels ? m->engine.kernels : "");
    hone_buf_printf(to, "\",threads=\"%d\"} 1\n", m->engine.n_thread);
}

static void render_labelled(const metrics *m, hone_buf *to)
{
    begin_series(to, "vllm:request_success_total", "counter", "Requests that ended.");
    for (int f = 0; f < METRICS_N_FINISH; f++) {
        hone_buf_printf(to,
                        "vllm:request_success_total{%s,finished_reason=\"%s\"} %llu\n",
                        m->label.data, hone_metrics_finish_name((metrics_finish)f),
                        (unsigned long long)m->finished[f]);
    }
    begin_series(to, "hone:http_replies_total", "counter",
                 "HTTP replies by status; 499: the client had left.");
    for (int status = FIRST_STATUS; status <= LAST_STATUS; status++) {
        if (m->replies[status] == 0) continue;
        hone_buf_printf(to, "hone:http_replies_total{%s,status=\"%d\"} %llu\n",
                        m->label.data, status, (unsigned long long)m->replies[status]);
    }
}

void hone_metrics_render(const metrics *m, const hone_scheduler_stats *s, hone_buf *to)
{
    for (size_t i = 0; i < sizeof scalars / sizeof *scalars; i++) {
        begin_series(to, scalars[i].name, scalars[i].type, scalars[i].help);
        hone_buf_printf(to, "%s{%s} %.17g\n", scalars[i].name, m->label.data,
                        scalars[i].read(s));
    }
    render_labelled(m, to);
    render_info(m, to);
    render_steps(m, s, to);
    for (size_t i = 0; i < sizeof histograms / sizeof *histograms; i++) {
        render_histogram(m, histograms[i].name, histograms[i].help, histograms[i].id,
                         to);
    }
}
