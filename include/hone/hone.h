/* hone.h - everything: include this, or the parts. */
#ifndef HONE_HONE_H
#define HONE_HONE_H

#include "hone/adapter.h"
#include "hone/bench.h"
#include "hone/chat.h"
#include "hone/engine.h"
#include "hone/generate.h"
#include "hone/grammar.h"
#include "hone/hub.h"
#include "hone/machine.h"
#include "hone/model.h"
#include "hone/scheduler.h"
#include "hone/serve.h"
#include "hone/status.h"
#include "hone/synth.h"
#include "hone/tokenizer.h"

/* "0.1.0"; constant. */
HONE_API const char *hone_version(void);

#endif
