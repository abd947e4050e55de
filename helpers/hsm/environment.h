/*
 * hsm/environment: what OKV's own reader makes of its generic HSM files.
 *
 * Promise: okv_hsm_env gives exactly its strict NAME="VALUE" lines, in order; a flawed line is skipped with a warning
 * that names its number, as hsmclient does.  okv_hsm.conf gives the library.  Files that are not there give nothing.
 */
#ifndef OKV_HSM_ENVIRONMENT_H
#define OKV_HSM_ENVIRONMENT_H

#include <stddef.h>

#include "base/fault.h"
#include "base/report.h"

#define HSM_CONF_FILE SETTINGS_GENERIC "/okv_hsm.conf"
#define HSM_ENV_FILE  SETTINGS_GENERIC "/okv_hsm_env"

struct hsm_environment {
	char **items; /* owned; "NAME=VALUE", ends with NULL */
	size_t count;
};

#define HSM_ENVIRONMENT_AUTO __attribute__((cleanup(hsm_environment_done))) struct hsm_environment

int hsm_environment_read(int root, struct report *report, struct hsm_environment *ret_environment, struct fault *f);
void hsm_environment_done(struct hsm_environment *environment);
/* The value of a name, borrowed, or NULL. */
const char *hsm_environment_get(const struct hsm_environment *environment, const char *name);
/* PKCS11_LIB_LOC of okv_hsm.conf, owned by the caller; NULL where it is not set. */
int hsm_library_read(int root, char **ret_path, struct fault *f);

#endif
