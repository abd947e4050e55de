/*
 * token/environment: what OKV's own reader makes of its generic HSM files.
 *
 * Promise: okv_hsm_env gives exactly its strict NAME="VALUE" lines, in order; a flawed line is skipped with a warning
 * that names its number, as hsmclient does.  okv_hsm.conf gives the library.  Files that are not there give nothing.
 */
#ifndef OKV_TOKEN_ENVIRONMENT_H
#define OKV_TOKEN_ENVIRONMENT_H

#include <stddef.h>

#include "base/fault.h"
#include "base/report.h"

#define TOKEN_HSM_CONF SETTINGS_GENERIC "/okv_hsm.conf"
#define TOKEN_HSM_ENV SETTINGS_GENERIC "/okv_hsm_env"

struct token_environment {
	char **items; /* owned; "NAME=VALUE", ends with NULL */
	size_t count;
};

#define TOKEN_ENVIRONMENT_INIT { .items = NULL, .count = 0 }
#define TOKEN_ENVIRONMENT_AUTO __attribute__((cleanup(token_environment_done))) struct token_environment

int token_environment_read(int root, struct report *report, struct token_environment *ret_environment, struct fault *f);
void token_environment_done(struct token_environment *environment);
/* The value of a name, borrowed, or NULL. */
const char *token_environment_get(const struct token_environment *environment, const char *name);
/* PKCS11_LIB_LOC of okv_hsm.conf, owned by the caller; NULL where it is not set. */
int token_library_read(int root, char **ret_path, struct fault *f);

#endif
