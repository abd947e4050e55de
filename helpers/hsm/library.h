/*
 * hsm/library: what OKV would load, with which environment, and whether it is what root put there.
 *
 * Promise: the library is named by okv_hsm.conf and the environment by okv_hsm_env, read by OKV's own rules: exactly
 * the strict NAME="VALUE" lines, in order; a flawed line is skipped with a warning that names its number, as
 * hsmclient does.  An environment file that is not there gives nothing.  ChrystokiConfigurationPath of it names the
 * directory of the Chrystoki.conf that the library will read; without it that is /etc; two that differ are
 * FAULT_NEGATIVE.
 *
 * A path is walked below the root; links are followed only where root alone could have made them, and each is written
 * down.  The file and every directory above it must belong to root and be writable by nobody else: whoever can write
 * there decides what runs with the HSM's credentials.  Nothing of the file runs; of its content only the ELF header is
 * looked at, because the dynamic linker does not tell another machine's library from one that is missing.
 */
#ifndef OKV_HSM_LIBRARY_H
#define OKV_HSM_LIBRARY_H

#include <stddef.h>

#include "base/fault.h"
#include "base/report.h"
#include "base/text.h"
#include "conf/assign.h"
#include "conf/chrystoki.h"
#include "conf/settings.h"
#include "fs/root.h"

#define HSM_OKV_CONF        SETTINGS_GENERIC "/okv_hsm.conf"
#define HSM_OKV_ENVIRONMENT SETTINGS_GENERIC "/okv_hsm_env"

/* One of OKV's files in lines; without any where it is not there. */
int hsm_library_lines(int root, const char *path, struct assign *ret_lines, struct fault *f);
/* Where OKV is told which library it loads. */
enum hsm_library_source {
	HSM_LIBRARY_OKV_CONF, /* PKCS11_LIB_LOC of okv_hsm.conf, and nothing else */
	HSM_LIBRARY_SETTINGS, /* this OKV has no such file (OKV 21.2 and earlier), or not for this client: PKCS11_LIB */
};
/* Owned by the caller.  FAULT_NEGATIVE: OKV loads none. */
int hsm_library_choose(int root, const struct settings *settings, enum hsm_library_source source, char **ret_path,
		       struct fault *f);
/* The command, or what a person does, after which okv_hsm.conf names a library; NULL: it does, or it is not known. */
const char *hsm_library_remedy(int root);
/*
 * The file behind all links.  FAULT_ABSENT: not there, or a link that leads nowhere (the chain is named).
 * FAULT_REFUSED: writable by others, no regular file, a loop of links, no ELF file, or one of another machine.
 */
int hsm_library_find(int root, const char *path, struct fs_place *ret_place, struct fault *f);

/* What the library finds around it. */
struct hsm_environment {
	char **items; /* owned; "NAME=VALUE", ends with NULL */
	size_t count;
	char *conf_path;         /* owned; of Chrystoki.conf */
	struct text conf_bytes;  /* may hold the secret of the cloud service */
	struct chrystoki conf;   /* empty where it could not be read */
	struct fault conf_fault; /* why not */
};

#define HSM_ENVIRONMENT_AUTO __attribute__((cleanup(hsm_environment_done))) struct hsm_environment

int hsm_environment_read(int root, struct report *report, struct hsm_environment *ret_environment, struct fault *f);
void hsm_environment_done(struct hsm_environment *environment);

#endif
