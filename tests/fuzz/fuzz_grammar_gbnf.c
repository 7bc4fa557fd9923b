/* fuzz_grammar_gbnf.c - any bytes as a grammar's source; what compiles is walked. */
#include <stdint.h>

#include "hone/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const texts[] = {
        "{\"a\": [1, -2.5e3, \"\\u0061\"], \"b\": null}", "12", "\"ab\"", "abba"};
    hone_grammar *g;
    char forced[16];
    if (size > 4096) return 0;
    if (hone_grammar_from_gbnf(&g, (const char *)data, size, NULL)) return 0;
    for (int i = 0; i < 4; i++) {
        hone_grammar_state *s;
        if (hone_grammar_state_new(&s, g, NULL)) break;
        for (const char *t = texts[i]; *t; t++) {
            (void)hone_grammar_forced(s, forced, sizeof forced);
            if (hone_grammar_accept_bytes(s, t, 1, NULL)) break;
        }
        hone_grammar_state_free(s);
    }
    hone_grammar_free(g);
    return 0;
}
