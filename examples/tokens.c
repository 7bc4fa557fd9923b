/* tokens.c - text to token ids and back, and the log probability of each token.
 *
 *     example_tokens MODEL.gguf "The quick brown fox" */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <hone/hone.h>

typedef struct scoring {
    const hone_tokens *ids;
    int n_vocab;
    double total; /* of log probabilities */
} scoring;

/* The logits at a position judge the token behind it. */
static void score(void *ctx, size_t position, const float *logits, const float *hidden)
{
    scoring *s = ctx;
    (void)hidden;
    if (position + 1 >= s->ids->len) return;
    double max = -INFINITY, sum = 0.0;
    for (int i = 0; i < s->n_vocab; i++) {
        max = fmax(max, (double)logits[i]);
    }
    for (int i = 0; i < s->n_vocab; i++) {
        sum += exp((double)logits[i] - max);
    }
    s->total += (double)logits[s->ids->id[position + 1]] - max - log(sum);
}

int main(int argc, char **argv)
{
    hone_error err;
    hone_model *model = NULL;
    hone_engine *engine = NULL;
    hone_sequence *sequence = NULL;
    hone_tokens ids = {0};
    if (argc != 3) return 2;

    hone_status s = hone_model_open(&model, argv[1], 0, &err);
    if (!s) s = hone_engine_new(&engine, model, NULL, &err);
    if (!s) s = hone_sequence_new(&sequence, engine, &err);
    if (!s) {
        s = hone_tokenizer_encode(hone_model_tokenizer(model), argv[2], strlen(argv[2]),
                                  0, &ids, &err);
    }
    scoring sc = {&ids, s ? 0 : hone_model_get_info(model)->n_vocab, 0.0};
    if (!s) s = hone_sequence_score(sequence, ids.id, ids.len, score, &sc, &err);
    if (s) {
        fprintf(stderr, "%s\n", err.text);
    } else {
        for (size_t i = 0; i < ids.len; i++) {
            size_t len;
            const char *piece =
                hone_tokenizer_piece(hone_model_tokenizer(model), ids.id[i], &len);
            printf("%d\t%s\n", ids.id[i], piece ? piece : "");
        }
        printf("log probability %.4f\n", sc.total);
    }
    hone_tokens_release(&ids);
    hone_sequence_free(sequence);
    hone_engine_free(engine);
    hone_model_close(model);
    return s ? 1 : 0;
}
