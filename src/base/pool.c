/* Each stage has a slot.  `next` packs the walk's generation and the number of chunks
 * not yet taken; `left` counts chunks not yet finished and is the futex that waiters
 * sleep on.
 *
 * A thread may fall behind by whole walks.  It stays harmless because taking a chunk is
 * a compare-and-swap on a word that holds the generation: once the caller has begun the
 * next walk, or all chunks are taken, the swap cannot succeed.  A chunk that was taken
 * keeps its walk alive, so whatever its runner reads belongs to that walk. */
#include "base/pool.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cores.h"
#include "base/machine.h"
#include "base/mem.h"

enum {
    SLOTS = 4096,     /* longer walks are cut into pieces */
    SPIN_WALK = 1000, /* pauses before a waiter inside a walk sleeps */
    SPIN_IDLE = 3000, /* pauses before an idle thread sleeps */
    SPIN_CROWD = 50,  /* either, where threads are more than cores */
    N_GROUP = 11      /* of threads that are woken together: 0, 1, 2-3, 4-7, .. 1023 */
};

typedef struct slot {
    _Alignas(HONE_CACHE_LINE) _Atomic uint64_t next; /* generation << 32 | not taken */
    _Atomic uint32_t left;                           /* not finished; futex word */
    _Atomic int n_chunk;
} slot;

/* A thread of the pool, as the others see it. */
typedef struct member {
    _Alignas(HONE_CACHE_LINE) _Atomic uint64_t holds; /* place of its chunk, or 0 */
    _Atomic int id;                                   /* of the system; 0: not yet */
    _Atomic bool going;                               /* to another core */
} member;

struct hone_pool {
    _Alignas(HONE_CACHE_LINE) _Atomic uint32_t generation; /* futex word of the idle */
    _Atomic int n_idle[N_GROUP]; /* threads of each group asleep on generation */
    _Atomic int n_active;        /* threads that take part */
    _Alignas(HONE_CACHE_LINE) _Atomic int n_asleep; /* threads asleep on some slot */
    _Atomic bool stop;
    atomic_flag looking; /* somebody looks for a thread without a core */
    /* of the current walk; written only while no chunk is open */
    _Atomic(hone_stage_fn *) run;
    _Atomic(void *) ctx;
    _Atomic int n_stage;
    _Atomic int stage_base;

    int n_thread;
    bool crowded;    /* more threads than this process may have cores */
    slot *slots;     /* [SLOTS] */
    member *members; /* [n_thread] */
    pthread_t *threads;
    int n_started;
};

typedef struct start {
    hone_pool *pool;
    int thread;
} start;

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Sleep while *word is `seen` until one of the bits is woken; wake all who wait for one. */
static void futex_wait(_Atomic uint32_t *word, uint32_t seen, uint32_t bits)
{
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, seen, NULL, NULL, bits);
}

static void futex_wake(_Atomic uint32_t *word, uint32_t bits)
{
    syscall(SYS_futex, word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, bits);
}

/* Binary digits of a thread's number. */
static int group_of(int thread)
{
    int n = 0;
    for (; thread > 0; thread >>= 1) {
        n++;
    }
    return n;
}

static bool is_current(hone_pool *p, uint32_t generation)
{
    return atomic_load_explicit(&p->generation, memory_order_acquire) == generation;
}

/* Name of a stage of a walk, not 0. */
static uint64_t place(uint32_t generation, int stage)
{
    return (uint64_t)generation << 32 | (uint32_t)(stage + 1);
}

/* Trade cores with a thread that others wait for and that lost its core: one with a
 * chunk of the place `waited`, or the caller of walks if that is 0. */
static void help(hone_pool *p, member *self, uint64_t waited)
{
    const int n = waited ? p->n_thread : 1;
    int core = -1;
    if (p->crowded || atomic_flag_test_and_set(&p->looking)) return;
    for (int i = 0; i < n && core < 0; i++) {
        member *m = &p->members[i];
        const int id = atomic_load(&m->id);
        int its;
        if (m != self && id && atomic_load(&m->holds) == waited &&
            hone_thread_lacks_core(id, &its) && atomic_load(&m->holds) == waited &&
            hone_thread_bring(id, atomic_load(&m->going))) {
            core = its;
        }
    }
    if (core >= 0) atomic_store(&self->going, true);
    atomic_flag_clear(&p->looking);
    if (core < 0) return;
    hone_thread_go(core);
    atomic_store(&self->going, false);
}

/* Wait until all chunks of the slot, at the place `here`, are finished; false if the walk
 * is over. */
static bool wait_stage(hone_pool *p, member *self, slot *s, uint64_t here)
{
    const int spin = p->crowded ? SPIN_CROWD : SPIN_WALK;
    const uint32_t generation = (uint32_t)(here >> 32);
    for (int i = 0;; i++) {
        /* pairs with the release in finish_chunk: what the chunks wrote is visible */
        const uint32_t left = atomic_load_explicit(&s->left, memory_order_acquire);
        if (!is_current(p, generation)) return false;
        if (left == 0) return true;
        if (i < spin) {
            relax();
        } else if (i == spin) {
            help(p, self, here);
        } else {
            /* The order "announce, then look" faces "finish, then look for sleepers" in
             * finish_chunk; both are sequentially consistent, so one sees the other. */
            atomic_fetch_add(&p->n_asleep, 1);
            futex_wait(&s->left, left, FUTEX_BITSET_MATCH_ANY);
            atomic_fetch_sub(&p->n_asleep, 1);
        }
    }
}

static void finish_chunk(hone_pool *p, slot *s)
{
    if (atomic_fetch_sub(&s->left, 1) == 1 && atomic_load(&p->n_asleep) > 0) {
        futex_wake(&s->left, FUTEX_BITSET_MATCH_ANY);
    }
}

static void walk(hone_pool *p, int thread, uint32_t generation)
{
    hone_stage_fn *run = atomic_load_explicit(&p->run, memory_order_relaxed);
    void *ctx = atomic_load_explicit(&p->ctx, memory_order_relaxed);
    const int n_stage = atomic_load_explicit(&p->n_stage, memory_order_relaxed);
    const int base = atomic_load_explicit(&p->stage_base, memory_order_relaxed);

    member *self = &p->members[thread];

    for (int stage = 0; stage < n_stage; stage++) {
        slot *s = &p->slots[stage];
        const uint64_t here = place(generation, stage);
        uint64_t v = atomic_load_explicit(&s->next, memory_order_acquire);
        while (v >> 32 == generation && (uint32_t)v > 0) {
            if (!atomic_compare_exchange_weak_explicit(
                    &s->next, &v, v - 1, memory_order_acq_rel, memory_order_acquire)) {
                continue;
            }
            const int n = atomic_load_explicit(&s->n_chunk, memory_order_relaxed);
            atomic_store_explicit(&self->holds, here, memory_order_release);
            run(ctx, base + stage, n - (int)(uint32_t)v, thread);
            atomic_store_explicit(&self->holds, 0, memory_order_release);
            finish_chunk(p, s);
            v = atomic_load_explicit(&s->next, memory_order_acquire);
        }
        if (v >> 32 != generation || !wait_stage(p, self, s, here)) return;
    }
}

static void *thread_main(void *arg)
{
    const start *st = arg;
    hone_pool *p = st->pool;
    const int thread = st->thread;
    hone_free(arg);

    const int spin = p->crowded ? SPIN_CROWD : SPIN_IDLE, group = group_of(thread);
    atomic_store(&p->members[thread].id, hone_thread_id());
    uint32_t seen = 0;
    int i = 0; /* looks since it walked */
    for (;; i++) {
        const uint32_t g = atomic_load_explicit(&p->generation, memory_order_acquire);
        if (g != seen) {
            if (atomic_load_explicit(&p->stop, memory_order_acquire)) return NULL;
            seen = g;
            if (thread < atomic_load_explicit(&p->n_active, memory_order_relaxed)) {
                walk(p, thread, g);
                i = 0;
            }
        } else if (i < spin) {
            relax();
        } else if (i == spin) {
            help(p, &p->members[thread], 0);
        } else {
            atomic_fetch_add(&p->n_idle[group], 1); /* pairs with loads in begin_walk */
            futex_wait(&p->generation, seen, 1u << group);
            atomic_fetch_sub(&p->n_idle[group], 1);
        }
    }
}

/* Publish a new generation; threads that sleep are woken, as far as they take part. */
static void begin_walk(hone_pool *p, uint32_t generation, int n_active)
{
    uint32_t bits = 0;
    atomic_store(&p->generation, generation);
    for (int group = 1; group <= group_of(n_active - 1); group++) {
        if (atomic_load(&p->n_idle[group]) > 0) bits |= 1u << group;
    }
    if (bits) futex_wake(&p->generation, bits);
}

void hone_pool_walk(hone_pool *p, const int *n_chunk, int n_stage, hone_stage_fn *run,
                    void *ctx)
{
    const int n_active = hone_pool_n_active(p);
    atomic_store(&p->members[0].id, hone_thread_id());
    for (int base = 0; base < n_stage; base += SLOTS) {
        const int n = n_stage - base < SLOTS ? n_stage - base : SLOTS;
        const uint32_t g =
            atomic_load_explicit(&p->generation, memory_order_relaxed) + 1;
        for (int i = 0; i < n; i++) {
            slot *s = &p->slots[i];
            const uint32_t chunks = (uint32_t)n_chunk[base + i];
            atomic_store_explicit(&s->n_chunk, (int)chunks, memory_order_relaxed);
            atomic_store_explicit(&s->left, chunks, memory_order_relaxed);
            atomic_store_explicit(&s->next, (uint64_t)g << 32 | chunks,
                                  memory_order_release);
        }
        atomic_store_explicit(&p->run, run, memory_order_relaxed);
        atomic_store_explicit(&p->ctx, ctx, memory_order_relaxed);
        atomic_store_explicit(&p->n_stage, n, memory_order_relaxed);
        atomic_store_explicit(&p->stage_base, base, memory_order_relaxed);
        begin_walk(p, g, n_active);
        walk(p, 0, g);
    }
}

hone_status hone_pool_new(hone_pool **out, int n_thread, hone_error *err)
{
    if (n_thread < 1 || n_thread > HONE_POOL_MAX_THREADS) {
        return hone_fail(err, HONE_E_INVALID, "threads: expected 1 to %d, found %d",
                         HONE_POOL_MAX_THREADS, n_thread);
    }
    hone_pool *p = hone_alloc_aligned(1, sizeof *p);
    if (!p) return hone_fail(err, HONE_E_NOMEM, "threads: out of memory");
    memset(p, 0, sizeof *p);
    p->n_thread = n_thread;
    atomic_store(&p->n_active, n_thread);
    p->crowded = n_thread > hone_machine_threads();
    p->slots = hone_alloc_aligned(SLOTS, sizeof *p->slots);
    p->members = hone_alloc_aligned((size_t)n_thread, sizeof *p->members);
    p->threads = hone_alloc_zero((size_t)n_thread, sizeof *p->threads);
    if (!p->slots || !p->members || !p->threads) {
        hone_pool_free(p);
        return hone_fail(err, HONE_E_NOMEM, "threads: out of memory");
    }
    for (int i = 0; i < SLOTS; i++) {
        p->slots[i] = (slot){0};
    }
    for (int i = 0; i < n_thread; i++) {
        p->members[i] = (member){0};
    }
    for (int i = 1; i < n_thread; i++) {
        start *st = hone_alloc(1, sizeof *st);
        int e = ENOMEM;
        if (st) {
            *st = (start){p, i};
            e = pthread_create(&p->threads[p->n_started], NULL, thread_main, st);
        }
        if (e) {
            hone_free(st);
            hone_pool_free(p);
            return hone_fail(err, HONE_E_NOMEM,
                             "threads: cannot start thread %d of %d: %s", i + 1,
                             n_thread, strerror(e));
        }
        p->n_started++;
    }
    *out = p;
    return HONE_OK;
}

void hone_pool_free(hone_pool *p)
{
    if (!p) return;
    atomic_store(&p->stop, true);
    begin_walk(p, atomic_load(&p->generation) + 1, p->n_thread);
    for (int i = 0; i < p->n_started; i++) {
        pthread_join(p->threads[i], NULL);
    }
    hone_free(p->threads);
    hone_free(p->members);
    hone_free(p->slots);
    hone_free(p);
}

int hone_pool_n_thread(const hone_pool *p)
{
    return p->n_thread;
}

void hone_pool_set_active(hone_pool *p, int n)
{
    HONE_ASSERT(n >= 1 && n <= p->n_thread);
    atomic_store_explicit(&p->n_active, n, memory_order_relaxed);
}

int hone_pool_n_active(const hone_pool *p)
{
    return atomic_load_explicit(&p->n_active, memory_order_relaxed);
}
