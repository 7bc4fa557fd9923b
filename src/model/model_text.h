/* model_text.h - the text side of a model: tokenizer, chat template, end tokens.
 *
 * Gathers what GGUF keys or the JSON files of a folder say; the rules of text itself are
 * in text/.  Immutable once open. */
#ifndef HONE_MODEL_MODEL_TEXT_H
#define HONE_MODEL_MODEL_TEXT_H

#include <stdbool.h>

#include "hone/model.h"
#include "model/source.h"

typedef struct hone_model_text {
    hone_tokenizer *tokenizer;    /* NULL where there is none */
    char *chat_template;          /* likewise */
    hone_tokens end;              /* ids that end a generation */
    hone_model_sampling sampling; /* negative where nothing is said */
} hone_model_text;

/* A folder without a tokenizer gives none, unless `required`: E_NOT_FOUND. */
HONE_MUST_CHECK hone_status hone_model_text_open(hone_model_text *t,
                                                 const hone_source *s, bool required,
                                                 hone_error *err);

/* A tokenizer.json, tokenizer.model or .tiktoken given by itself. */
bool hone_model_text_is_bare(const char *path);
HONE_MUST_CHECK hone_status hone_model_text_open_bare(hone_model_text *t,
                                                      const char *path,
                                                      hone_error *err);
void hone_model_text_release(hone_model_text *t);

/* As hone_model_special_variable (model.h). */
bool hone_model_text_variable(const hone_model_text *t, int i, const char **name,
                              const char **text);

#endif
