/*
 * conf/settings: okv-luna.conf, the only place where this product's names and paths are defined.
 *
 * Promise: settings_init gives the defaults of the README; settings_parse applies a file on top.  An unknown name, a
 * duplicate, a malformed line or an invalid value is FAULT_REFUSED with "file:line: ".  PKCS11_LIB follows CLIENT_DIR
 * unless it is set itself.
 */
#ifndef OKV_CONF_SETTINGS_H
#define OKV_CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

/* The product's directory below the root; fixed, because OKV preserves it by this name. */
#define SETTINGS_PREFIX       "/opt/okv-luna"
#define SETTINGS_FILE         SETTINGS_PREFIX "/etc/okv-luna.conf"
#define SETTINGS_VAR          SETTINGS_PREFIX "/var"
#define SETTINGS_POLICY       SETTINGS_PREFIX "/share/policy"
#define SETTINGS_POLICY_LOCAL SETTINGS_PREFIX "/etc/policy.d"
/* Where OKV looks for its HSM configuration (OKV 21.3 and later). */
#define SETTINGS_OKV_HSM "/usr/local/okv/hsm"
#define SETTINGS_GENERIC SETTINGS_OKV_HSM "/generic"
#define SETTINGS_BUNDLE  SETTINGS_OKV_HSM "/hsmbundle"
/* The first line of a sealed bundle; and the file in SETTINGS_VAR that holds a bundle to be sent. */
#define SETTINGS_SEALED_MAGIC "OKVB1\n"
#define SETTINGS_OUTGOING     "outgoing.okvb"
/* The state that pre-upgrade --abort restores; it exists from pre-upgrade until the upgrade is known to be good. */
#define SETTINGS_BEFORE SETTINGS_VAR "/before"
/* The account that OKV opens to SSH, and the only way to root from outside. */
#define SETTINGS_SUPPORT_USER "support"

/* The permission profiles, in the syntax of an OPTION_CHOICE; each is a directory of SETTINGS_POLICY. */
#define SETTINGS_PROFILES       "guide|strict"
#define SETTINGS_PROFILE_STRICT "strict"
/* The kinds of HSM setup in the integration guide, in the same syntax. */
#define SETTINGS_KINDS "network|cloud-min|cloud-full|hybrid"
/* The manifest of what okv-luna extract has installed. */
#define SETTINGS_CLIENT_RECORD SETTINGS_VAR "/client.mtree"

struct settings {
	char *vendor_name;
	char *client_dir;
	char *pkcs11_lib;
	char *chrystoki_conf;
	char *hsm_group;
	char *okv_user;
	char *okv_group;
	char *profile;     /* one of SETTINGS_PROFILES */
	char *token_label; /* "": any label */
	uint64_t min_slots;
	uint64_t slot_timeout; /* seconds */
	mode_t bundle_mode;
	char *upgrade_command; /* split at blanks; no shell */
	char *okv_release;     /* "21.5"; "": detected */
	char *client_kind;     /* one of SETTINGS_KINDS; "": detected */
};

#define SETTINGS_AUTO __attribute__((cleanup(settings_done))) struct settings

/* Fails only if memory runs out.  End with settings_done. */
int settings_init(struct settings *ret_settings, struct fault *f);
void settings_done(struct settings *s);
/*
 * Is the path (with or without a leading slash) below CLIENT_DIR/data or CLIENT_DIR/lock, where the library writes at
 * run time?  Others can write there (anybody, between the hooks), so what is found there is read within limits and
 * decides nothing.
 */
bool settings_is_scratch(const struct settings *s, const char *path);
/* Those directories, relative to CLIENT_DIR. */
#define SETTINGS_SCRATCH \
	{ \
		"/data", "/lock" \
	}
/* The limits: number of entries, and directory depth. */
enum { SETTINGS_SCRATCH_ENTRIES = 20000, SETTINGS_SCRATCH_DEPTH = 64 };

/* `name` is the file's name for faults. */
int settings_parse(struct settings *s, const char *name, const char *bytes, size_t length, struct fault *f);

#endif
