/* fetch_tmpl.h - what linear kernels fetch ahead; comes behind vec_<isa>.h.
 *
 * Weights come from memory once a step.  A thread reads a call's rows and then, most
 * likely, what hone_matrix.soon names; fetches follow that path across its border. */
#ifndef HONE_KERNEL_FETCH_TMPL_H
#define HONE_KERNEL_FETCH_TMPL_H

#include "base/mem.h"
#include "kernel/panel.h"
#include "kernel/unpack_tmpl.h"

enum {
    FETCH_FAR = 20480, /* bytes ahead that the second-level cache fetches */
    FETCH_NEAR = 2048, /* and the first-level cache */
    FETCH_GROUPS = 2 /* groups of columns ahead, where panels are expanded in groups */
};

/* The bytes that a thread reads one after another: up to `end`, then from `soon` on. */
typedef struct route {
    const unsigned char *end, *soon;
} route;

VEC_INLINE const unsigned char *route_at(const route *r, const unsigned char *from,
                                         ptrdiff_t ahead)
{
    const unsigned char *at = from + ahead;
    return at < r->end ? at : r->soon + (at - r->end);
}

/* The way of a call for rows n0 .. n0+n-1, which lie in panels. */
VEC_INLINE route route_of(const hone_matrix *w, int n0, int n)
{
    const int behind = (n0 + n + HONE_PANEL_ROWS - 1) / HONE_PANEL_ROWS;
    const unsigned char *end = w->data + (size_t)behind * w->row_bytes;
    return (route){end, w->soon ? w->soon : end};
}

/* As many bytes as are read at `from`, a little later on the way. */
VEC_INLINE void fetch_along(const route *r, const unsigned char *from, size_t bytes)
{
    const unsigned char *far = route_at(r, from, FETCH_FAR),
                        *near = route_at(r, from, FETCH_NEAR);
#pragma GCC unroll 16
    for (size_t i = 0; i < bytes; i += HONE_CACHE_LINE) {
        vec_prefetch_far(far + i);
        vec_prefetch(near + i);
    }
}

/* What will be read a little later of the planes, which follow one another in memory. */
VEC_INLINE void prefetch_ahead(const route *r, const hone_planes *p, size_t s, traits k)
{
    vec_prefetch_far(route_at(r, p->d + s * 64, FETCH_FAR));
    fetch_along(r, p->code + s * code_bytes(k), code_bytes(k));
}

/* A group of a panel that will be expanded later, to be fetched in HONE_ACT_GROUP / 32
 * pieces while others are multiplied. */
typedef struct fetch {
    const unsigned char *plane[4];
    size_t piece[4]; /* bytes of each plane; 0: none */
} fetch;

/* What is wanted FETCH_GROUPS later than group g of a panel, number r of the call's: of
 * the same panel, or of the one that stands in its place in what comes soon. */
VEC_INLINE void fetch_init(fetch *f, const hone_matrix *w, const hone_panel_layout *l,
                           int panel, int r, int g, int n_group)
{
    const size_t at[] = {l->code, l->high, l->sub, l->d, l->bytes};
    const unsigned char *from = w->data + (size_t)panel * w->row_bytes;
    int ahead = g + FETCH_GROUPS;
    if (ahead >= n_group) {
        *f = (fetch){0};
        if (!w->soon) return;
        from = (const unsigned char *)w->soon + (size_t)r * w->row_bytes;
        ahead = ahead - n_group < n_group ? ahead - n_group : 0;
    }
    for (int i = 0; i < 4; i++) {
        const size_t slice = (at[i + 1] - at[i]) / (size_t)n_group;
        f->piece[i] = slice * 32 / HONE_ACT_GROUP;
        f->plane[i] = from + at[i] + (size_t)ahead * slice;
    }
}

VEC_INLINE void fetch_piece(const fetch *f, int piece)
{
    for (int i = 0; i < 4; i++) {
        const unsigned char *from = f->plane[i] + (size_t)piece * f->piece[i];
        for (size_t b = 0; b < f->piece[i]; b += HONE_CACHE_LINE) {
            vec_prefetch_far(from + b);
        }
    }
}

#endif
