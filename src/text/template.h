/* template.h - chat templates: the Jinja language as models use it.
 *
 *     hone_template *t;
 *     HONE_TRY(hone_template_parse(&t, source, len, err));
 *     char *prompt; size_t n;
 *     s = hone_template_render(t, variables, NULL, &prompt, &n, err);
 *     hone_text_free(prompt);
 *     hone_template_free(t);
 *
 * Renders what transformers renders: jinja2 3.1 in its immutable sandbox with
 * trim_blocks, lstrip_blocks, loop controls, a `generation` block, Python's printing
 * of values, `tojson` without HTML escaping, `raise_exception`, `strftime_now`.
 * A template is code from a stranger: steps, depth and output are bounded.
 *
 * Threads: a parsed template is immutable; any thread may render it.
 * Source: jinja.palletsprojects.com/en/3.1.x/templates/. */
#ifndef HONE_TEXT_TEMPLATE_H
#define HONE_TEXT_TEMPLATE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "hone/status.h"

typedef struct hone_template hone_template;

typedef struct hone_template_options { /* zero: the default */
    size_t max_output;                 /* bytes, default 64 MiB */
    size_t max_memory; /* bytes of all values of a rendering, default 256 MiB */
    size_t max_steps;  /* evaluated nodes, default 50 million */
    int max_depth;     /* macro calls and nested expressions, default 500 */
    int use_now; /* strftime_now shows `now`, read as UTC, and not the local time */
    int64_t now; /* seconds since 1970 */
} hone_template_options;

/* E_TEMPLATE for a syntax error, with its line; E_LIMIT for nesting or size. */
HONE_MUST_CHECK hone_status hone_template_parse(hone_template **out, const char *source,
                                                size_t len, hone_error *err);
void hone_template_free(hone_template *t); /* NULL is fine */

/* Render with `variables`, an object: messages, tools, add_generation_prompt,
 * bos_token, ... as the template names them; keys keep their order.  The object is
 * not changed.  *out is NUL-terminated, *len its bytes; hone_text_free().
 *   E_TEMPLATE  raise_exception (its message is the text), a Python error, an
 *               unknown filter
 *   E_LIMIT     past a limit */
HONE_MUST_CHECK hone_status hone_template_render(const hone_template *t,
                                                 const json_t *variables,
                                                 const hone_template_options *options,
                                                 char **out, size_t *len,
                                                 hone_error *err);

#endif
