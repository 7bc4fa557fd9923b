/* fuzz_template.c - any bytes as a chat template, rendered over a small conversation. */
#include <stdint.h>

#include "hone/tokenizer.h"
#include "text/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char json[] = "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi "
                               "<b>\"},{\"role\":\"assistant\",\"content\":null}],"
                               "\"s\":\"a\\u00e9 "
                               "b\",\"n\":3,\"l\":[1,2.5,\"x\",true,null],\"d\":{\"k\":"
                               "[1,{\"z\":2}]},\"bos_token\":\"<s>\"}";
    hone_template *t;
    char *out;
    size_t len;
    if (hone_template_parse(&t, (const char *)data, size, NULL)) return 0;
    json_t *vars = json_loads(json, 0, NULL);
    const hone_template_options o = {.max_output = 1 << 16,
                                     .max_memory = 1 << 22,
                                     .max_steps = 20000,
                                     .use_now = 1,
                                     .now = 86400};
    if (hone_template_render(t, vars, &o, &out, &len, NULL) == HONE_OK)
        hone_text_free(out);
    json_decref(vars);
    hone_template_free(t);
    return 0;
}
