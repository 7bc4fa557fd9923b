/* answer.h - one exchange from body to reply: asks the scheduler, writes what it says. */
#ifndef HONE_SERVE_ANSWER_H
#define HONE_SERVE_ANSWER_H

#include "serve/reply.h"

/* Parse the body of x, submit it, and reply in the dialect: at once where that fails,
 * else as the answer comes.  On the loop's thread; x belongs to it from here on. */
void hone_answer(hone_server *s, http_exchange *x, const dialect *d);

/* Replies of handlers that need no engine. */
void hone_answer_json(http_exchange *x, int status, const hone_buf *body);
void hone_answer_error(http_exchange *x, const dialect *d, const api_error *e);

#endif
