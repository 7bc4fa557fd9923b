/* chat.c - one question through the model's chat template.
 *
 *     example_chat MODEL.gguf '{"messages":[{"role":"user","content":"Hello"}],
 *                               "add_generation_prompt":true}' */
#include <stdio.h>
#include <string.h>

#include <hone/hone.h>

static hone_status answer(const hone_model *model, hone_sequence *sequence,
                          const char *conversation, hone_error *err)
{
    char *prompt;
    size_t len;
    hone_tokens ids = {0};
    hone_generation out = {0};
    hone_status s = hone_chat_render(model, NULL, conversation, strlen(conversation),
                                     &prompt, &len, err);
    if (s) return s;
    /* the template wrote the special tokens itself */
    s = hone_tokenizer_encode(hone_model_tokenizer(model), prompt, len, 0, &ids, err);
    hone_text_free(prompt);

    hone_generate_options options = hone_generate_options_default();
    options.n_max = 48;
    options.sampling.seed = 7; /* the same answer every time */
    if (!s)
        s = hone_generate(sequence, ids.id, ids.len, &options, NULL, NULL, &out, err);
    if (!s) printf("%s\n", out.text);
    hone_generation_release(&out);
    hone_tokens_release(&ids);
    return s;
}

int main(int argc, char **argv)
{
    hone_error err;
    hone_model *model = NULL;
    hone_engine *engine = NULL;
    hone_sequence *sequence = NULL;
    if (argc != 3) return 2;

    hone_status s = hone_model_open(&model, argv[1], 0, &err);
    if (!s) s = hone_engine_new(&engine, model, NULL, &err);
    if (!s) s = hone_sequence_new(&sequence, engine, &err);
    if (!s) s = answer(model, sequence, argv[2], &err);
    if (s) fprintf(stderr, "%s\n", err.text);
    hone_sequence_free(sequence);
    hone_engine_free(engine);
    hone_model_close(model);
    return s ? 1 : 0;
}
