/*
 * conf/settings: okv-luna.conf, the one place where names and paths of this product are decided.
 *
 * Promise: settings_init gives the defaults of the README; settings_parse lays a file over them.  An unknown
 * name, a name given twice, a flawed line or a bad value is FAULT_REFUSED with "file:line: ".  Paths that hang on
 * CLIENT_DIR follow it unless they are set themselves.
 */
#ifndef OKV_CONF_SETTINGS_H
#define OKV_CONF_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/fault.h"

/* Where this product lives below the root; fixed, since OKV preserves it by that name. */
#define SETTINGS_PREFIX       "/opt/okv-luna"
#define SETTINGS_FILE         SETTINGS_PREFIX "/etc/okv-luna.conf"
#define SETTINGS_VAR          SETTINGS_PREFIX "/var"
#define SETTINGS_POLICY       SETTINGS_PREFIX "/share/policy"
#define SETTINGS_POLICY_LOCAL SETTINGS_PREFIX "/etc/policy.d"
/* Where OKV looks (OKV 21.3 and later). */
#define SETTINGS_OKV_HSM "/usr/local/okv/hsm"
#define SETTINGS_GENERIC SETTINGS_OKV_HSM "/generic"
#define SETTINGS_BUNDLE  SETTINGS_OKV_HSM "/hsmbundle"
/* The first line of a sealed bundle, and the file in SETTINGS_VAR that one is sealed into to be sent. */
#define SETTINGS_SEALED_MAGIC "OKVB1\n"
#define SETTINGS_OUTGOING     "outgoing.okvb"
/* What pre-upgrade --abort goes back to; there while an upgrade is prepared, and until it is proven. */
#define SETTINGS_BEFORE SETTINGS_VAR "/before"
/* The account that OKV opens to SSH; root goes in by no other. */
#define SETTINGS_SUPPORT_USER "support"

/* The permission profiles, as an option's choice; each is a folder of SETTINGS_POLICY. */
#define SETTINGS_PROFILES       "guide|strict"
#define SETTINGS_PROFILE_STRICT "strict"
/* Which of the integration guide's systems this is, as an option's choice. */
#define SETTINGS_KINDS "network|cloud-min|cloud-full|hybrid"
/* The record of what okv-luna extract has installed. */
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
	char *token_label; /* "": any */
	uint64_t min_slots;
	uint64_t slot_timeout; /* seconds */
	mode_t bundle_mode;
	char *upgrade_command; /* words separated by blanks; no shell */
	char *okv_release;     /* "21.5"; "": detected */
	char *client_kind;     /* one of SETTINGS_KINDS; "": detected */
};

#define SETTINGS_AUTO __attribute__((cleanup(settings_done))) struct settings

/* Fails for lack of memory only.  End with settings_done. */
int settings_init(struct settings *ret_settings, struct fault *f);
void settings_done(struct settings *s);
/*
 * Is the path (with its leading slash or, as in manifests, without) below what is written while the library runs,
 * CLIENT_DIR/data or CLIENT_DIR/lock?  Others may write there, between the hooks everybody: what lies there is looked
 * at within bounds, and decides nothing.
 */
bool settings_is_scratch(const struct settings *s, const char *path);
/* The directories of that, for CLIENT_DIR to be put before. */
#define SETTINGS_SCRATCH \
	{ \
		"/data", "/lock" \
	}
/* How much of it is looked at, whatever others put there: entries, and directories deep. */
enum { SETTINGS_SCRATCH_ENTRIES = 20000, SETTINGS_SCRATCH_DEPTH = 64 };

/* `name` is the file's, for the fault. */
int settings_parse(struct settings *s, const char *name, const char *bytes, size_t length, struct fault *f);

#endif
