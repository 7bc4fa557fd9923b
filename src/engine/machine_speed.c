/* machine_speed.c - hone/machine.h: limits, speed, self-test, and the size of a run. */
#include "hone/machine.h"

#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/machine.h"
#include "base/mem.h"
#include "base/pool.h"
#include "kernel/self_test.h"
#include "model/model.h"
#include "program/executor.h"
#include "text/tokenizer.h"

enum {
    BUFFER = 256 << 20, /* bytes read, at least where memory allows */
    CHUNKS = 64,        /* of the buffer */
    ROUND = 8, /* chunks read in a round: short, so that some round is undisturbed */
    N_BATCH = 512,
    N_OUT = 8 /* rows of logits that an engine has room for by default */
};

_Static_assert(HONE_MACHINE_MAX_FEATURES == HONE_CPU_MAX_FEATURES, "one list");

void hone_machine_get(hone_machine *out)
{
    hone_kernels k;
    hone_kernels_init(&k, hone_cpu_flags());
    *out = (hone_machine){
        .n_thread = hone_machine_threads(),
        .total_bytes = hone_machine_total_bytes(),
        .available_bytes = hone_machine_available_bytes(),
        .kernels = k.tier,
    };
    out->n_feature = hone_cpu_features(out->feature);
}

uint64_t hone_process_peak_bytes(void)
{
    return hone_machine_peak_bytes();
}

int hone_self_test(void (*fn)(void *ctx, const char *name), void *ctx)
{
    hone_kernels k;
    hone_kernels_init(&k, hone_cpu_flags());
    return hone_kernels_self_test(&k, fn, ctx);
}

/* -- speed ------------------------------------------------------------------------ */

typedef struct work {
    const hone_kernels *k;
    hone_peak_fn *peak; /* or */
    unsigned char *buffer;
    size_t bytes;
    bool fill;    /* write the buffer instead of reading it */
    int first;    /* chunk of this round; rounds go through the whole buffer */
    double n_ops; /* of a chunk */
    double done[HONE_POOL_MAX_THREADS];
} work;

static void run_chunk(void *ctx, int stage, int chunk, int thread)
{
    work *w = ctx;
    (void)stage;
    if (w->peak) {
        w->done[thread] += w->peak(w->n_ops);
        return;
    }
    const size_t part = w->bytes / CHUNKS;
    if (w->fill) {
        memset(w->buffer + (size_t)chunk * part, 1, part);
        return;
    }
    const size_t at = (size_t)((w->first + chunk) % CHUNKS);
    volatile uint64_t sink = w->k->read(w->buffer + at * part, part);
    (void)sink;
    w->done[thread] += (double)part;
}

/* Best rate of several rounds that take about `seconds` together. */
static double best_rate(hone_pool *pool, work *w, double seconds)
{
    double best = 0.0;
    const int64_t end = hone_clock_ns() + (int64_t)(seconds * 1e9);
    const int n_thread = hone_pool_n_thread(pool),
              n_chunk = w->peak ? n_thread * 4 : ROUND;
    do {
        memset(w->done, 0, sizeof w->done);
        const int64_t start = hone_clock_ns();
        hone_pool_walk(pool, &n_chunk, 1, run_chunk, w);
        const double took = (double)(hone_clock_ns() - start) * 1e-9;
        double all = 0.0;
        for (int i = 0; i < n_thread; i++) {
            all += w->done[i];
        }
        if (took > 0.0 && all / took > best) best = all / took;
        w->first = (w->first + ROUND) % CHUNKS;
    } while (hone_clock_ns() < end);
    return best;
}

/* Twice the largest cache, which then serves the smaller part of the reads; at most a
 * quarter of the memory that is free. */
static size_t buffer_bytes(void)
{
    uint64_t n = 2 * hone_machine_cache_bytes();
    const uint64_t most = hone_machine_available_bytes() / 4;
    if (n < BUFFER) n = BUFFER;
    if (n > most) n = most;
    const size_t part = (size_t)n / CHUNKS & ~(size_t)(HONE_CACHE_LINE - 1);
    return (part ? part : HONE_CACHE_LINE) * CHUNKS;
}

/* A limit is what memory gives, not what page walks leave of it. */
static void ask_huge_pages(unsigned char *p, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    const size_t page = 4096, skip = -(uintptr_t)p & (page - 1);
    if (bytes > 2 * page)
        (void)madvise(p + skip, (bytes - skip) & ~(page - 1), MADV_HUGEPAGE);
#else
    (void)p;
    (void)bytes;
#endif
}

static hone_status measure(hone_machine_speed *out, hone_pool *pool,
                           const hone_kernels *k, double seconds, hone_error *err)
{
    const int n_chunk = CHUNKS;
    const size_t bytes = buffer_bytes();
    work *w = hone_alloc_zero(1, sizeof *w);
    unsigned char *buffer = hone_alloc_aligned(bytes, 1);
    if (!w || !buffer) {
        hone_free(w);
        hone_free(buffer);
        return hone_fail(err, HONE_E_NOMEM, "measure: out of memory");
    }
    ask_huge_pages(buffer, bytes);
    *w = (work){.k = k, .buffer = buffer, .bytes = bytes, .fill = true, .n_ops = 2e7};
    hone_pool_walk(pool, &n_chunk, 1, run_chunk, w);
    w->fill = false;
    out->read_bytes_per_s = best_rate(pool, w, seconds * 0.4);
    w->peak = k->peak_int8;
    out->int8_ops_per_s = best_rate(pool, w, seconds * 0.2);
    w->peak = k->peak_bf16;
    out->bf16_flops_per_s = best_rate(pool, w, seconds * 0.2);
    w->peak = k->peak_f32;
    out->f32_flops_per_s = best_rate(pool, w, seconds * 0.2);
    hone_free(w);
    hone_free(buffer);
    return HONE_OK;
}

hone_status hone_machine_measure(hone_machine_speed *out, int n_thread,
                                 const char *tier, double seconds, hone_error *err)
{
    hone_kernels k;
    hone_pool *pool;
    HONE_TRY(hone_kernels_choose(&k, tier, err));
    HONE_TRY(hone_pool_new(&pool, n_thread ? n_thread : hone_machine_threads(), err));
    const hone_status s = measure(out, pool, &k, seconds, err);
    hone_pool_free(pool);
    return s;
}

/* -- size of a run ---------------------------------------------------------------- */

hone_status hone_plan_model(const hone_model *m, int n_ctx, const char *kv_type,
                            int n_sequence, int n_thread, hone_plan_info *out,
                            hone_error *err)
{
    const hone_program *p = hone_model_program(m);
    const hone_spec *spec = hone_model_spec(m);
    hone_kv_layout layout;
    size_t step;
    enum {
        PAGE_LEN = 32
    };
    if (!p)
        return hone_fail(err, HONE_E_UNSUPPORTED,
                         "plan: the model was opened without weights");
    if (n_ctx < 0 || n_sequence < 1) {
        return hone_fail(err, HONE_E_INVALID,
                         "plan: context length and sequences are positive");
    }
    if (n_ctx == 0) n_ctx = spec->n_ctx;
    if (n_thread == 0) n_thread = hone_machine_threads();
    HONE_TRY(hone_kv_layout_init(&layout, p, kv_type ? kv_type : "f16", PAGE_LEN, err));
    const uint64_t pages = ((uint64_t)n_ctx + PAGE_LEN - 1) / PAGE_LEN;
    const uint64_t kv = pages * layout.page_bytes * (uint64_t)n_sequence;
    const int64_t rows = (int64_t)n_ctx * n_sequence;
    const int batch = rows < N_BATCH ? (int)rows : N_BATCH;
    int n_out = n_sequence > N_OUT ? n_sequence : N_OUT;
    if (n_out > batch) n_out = batch;
    const hone_step_limits limits = {n_thread, batch, n_out, n_ctx};
    hone_kernels k;
    hone_kernels_init(&k, hone_cpu_flags());
    size_t packed = 0;
    hone_status s = hone_executor_plan(p, &k, &layout, &limits, &step, err);
    if (!s) s = hone_pack_plan(p, &k, &packed, err);
    hone_kv_layout_release(&layout);
    if (s) return s;
    /* what is packed leaves the mapping */
    uint64_t weights = hone_model_get_info(m)->weight_bytes;
    if (packed) weights = weights - (uint64_t)hone_program_weight_bytes(p) + packed;
    const hone_tokenizer *tok = hone_model_tokenizer(m);
    *out = (hone_plan_info){
        .weights_bytes = weights,
        .kv_bytes = kv,
        .step_bytes = step,
        .tokenizer_bytes = tok ? hone_tokenizer_memory(tok) : 0,
        .decode_bytes = hone_program_weight_bytes(p),
        .macs_per_token = hone_program_row_macs(p),
        .n_ctx = n_ctx,
    };
    out->total_bytes =
        out->weights_bytes + out->kv_bytes + out->step_bytes + out->tokenizer_bytes;
    return HONE_OK;
}
