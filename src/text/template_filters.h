/* template_filters.h - private to the template engine: the tables of filters. */
#ifndef HONE_TEXT_TEMPLATE_FILTERS_H
#define HONE_TEXT_TEMPLATE_FILTERS_H

#include "text/template_internal.h"

typedef struct tpl_filter {
    const char *name;
    tpl_value (*call)(tpl_machine *m, tpl_value *self, tpl_args *args);
} tpl_filter;

extern const tpl_filter tpl_list_filters[];
extern const size_t tpl_n_list_filters;

/* Key and value pairs of a dict, or the items of anything else. */
tpl_list *tpl_pairs(tpl_machine *m, const tpl_value *v);

#endif
