/* complete.c - continue a text, token by token.
 *
 *     example_complete MODEL.gguf "Once upon a time" */
#include <stdio.h>
#include <string.h>

#include <hone/hone.h>

static bool print_piece(void *ctx, const hone_piece *piece)
{
    (void)ctx;
    fwrite(piece->text, 1, piece->len, stdout);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    hone_error err;
    hone_model *model = NULL;
    hone_engine *engine = NULL;
    hone_sequence *sequence = NULL;
    hone_tokens prompt = {0};
    hone_generation out = {0};
    if (argc != 3) return 2;

    hone_generate_options options = hone_generate_options_default();
    options.n_max = 32;
    options.sampling.temperature = 0.0f; /* the most likely token, always */

    hone_status s = hone_model_open(&model, argv[1], 0, &err);
    if (!s) s = hone_engine_new(&engine, model, NULL, &err);
    if (!s) s = hone_sequence_new(&sequence, engine, &err);
    if (!s) {
        s = hone_tokenizer_encode(hone_model_tokenizer(model), argv[2], strlen(argv[2]),
                                  HONE_ENCODE_SPECIAL, &prompt, &err);
    }
    if (!s) {
        s = hone_generate(sequence, prompt.id, prompt.len, &options, print_piece, NULL,
                          &out, &err);
    }
    if (s)
        fprintf(stderr, "%s\n", err.text);
    else
        printf("\n");

    hone_generation_release(&out);
    hone_tokens_release(&prompt);
    hone_sequence_free(sequence);
    hone_engine_free(engine);
    hone_model_close(model);
    return s ? 1 : 0;
}
