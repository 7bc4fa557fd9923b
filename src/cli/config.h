/* config.h - private to the program: options of a command from a YAML file.
 *
 * The file is one mapping: keys are the long names of options, values what the command
 * line takes, lists for options that may be given often. */
#ifndef HONE_CLI_CONFIG_H
#define HONE_CLI_CONFIG_H

#include "cli/command.h"

typedef struct cli_config cli_config;

/* Store the values of the file into the destinations of the options; texts stay the
 * config's, until cli_config_free.  The option "config" is none of the keys.
 *   E_FORMAT     not YAML, an unknown key, a value that the option does not take; the
 *                message has file and line
 *   E_NOT_FOUND, E_IO, E_LIMIT (1 MiB), E_NOMEM */
HONE_MUST_CHECK hone_status cli_config_load(cli_config **out, const char *path,
                                            const cli_group *groups, size_t n_group,
                                            hone_error *err);
void cli_config_free(cli_config *c); /* NULL is fine */

#endif
