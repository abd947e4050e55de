/*
 * hsm/library: the library that OKV loads, its environment, and whether only root can change it.
 *
 * Promise: okv_hsm.conf names the library and okv_hsm_env the environment.  Both are read by OKV's rules: only strict
 * NAME="VALUE" lines, in order; like hsmclient, this skips a malformed line, with a warning and its number.  A missing
 * environment file means no variables.  ChrystokiConfigurationPath names the directory of the Chrystoki.conf that the
 * library reads, /etc by default; if it is set to different values, that is FAULT_NEGATIVE.
 *
 * Paths are resolved below the root; links are followed only where only root could have made them, and are recorded.
 * The file and all directories above it must belong to root and be writable by nobody else: whoever can write there
 * decides what runs with the HSM's credentials.  The file is not run; only its ELF header is read, because the dynamic
 * linker reports another machine's library as missing.
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

/* Reads one of OKV's files; a missing file has no lines. */
int hsm_library_lines(int root, const char *path, struct assign *ret_lines, struct fault *f);
/* The setting that names OKV's library. */
enum hsm_library_source {
	HSM_LIBRARY_OKV_CONF, /* PKCS11_LIB_LOC of okv_hsm.conf */
	HSM_LIBRARY_SETTINGS, /* PKCS11_LIB: OKV 21.2 and earlier have no such file, and v6.x clients do not use it */
};
/* Owned by the caller.  FAULT_NEGATIVE: OKV loads none. */
int hsm_library_choose(int root, const struct settings *settings, enum hsm_library_source source, char **ret_path,
		       struct fault *f);
/* The remedy if okv_hsm.conf does not name a library; NULL: it does, or a person has to decide. */
const char *hsm_library_remedy(int root);
/*
 * Resolves all links.  FAULT_ABSENT: there is no such file, or a link points to nothing (the links are named).
 * FAULT_REFUSED: writable by others, not a regular file, a loop of links, or not an ELF file for this machine.
 */
int hsm_library_find(int root, const char *path, struct fs_place *ret_place, struct fault *f);

/* The environment and configuration of the library. */
struct hsm_environment {
	char **items; /* owned; "NAME=VALUE", ends with NULL */
	size_t count;
	char *conf_path;         /* owned; of Chrystoki.conf */
	struct text conf_bytes;  /* may hold the secret of the cloud service */
	struct chrystoki conf;   /* empty if it could not be read */
	struct fault conf_fault; /* why it could not be read */
};

#define HSM_ENVIRONMENT_AUTO __attribute__((cleanup(hsm_environment_done))) struct hsm_environment

int hsm_environment_read(int root, struct report *report, struct hsm_environment *ret_environment, struct fault *f);
void hsm_environment_done(struct hsm_environment *environment);

#endif
