/*
 * hsm/uri: pkcs11:token=...;serial=... (RFC 7512) as a wish for a token.
 *
 * Promise: path attributes token, serial, model, manufacturer, slot-id and object are understood, each at most once,
 * percent signs decoded; type may only be secret-key.  Any other path attribute is FAULT_USAGE: passed over, it would
 * let a token match that is not meant.  Of the query, pin-source=FILE names the PIN's file, module-path=FILE the
 * library, and pin-value is refused, since arguments are no place for a PIN.
 */
#ifndef OKV_HSM_URI_H
#define OKV_HSM_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

struct hsm_uri {
	char *token, *serial, *model, *manufacturer, *object; /* owned; NULL: not named */
	char *pin_source, *module_path;                       /* owned; NULL: not named */
	bool slot_id_set;
	uint64_t slot_id;
};

#define HSM_URI_AUTO __attribute__((cleanup(hsm_uri_done))) struct hsm_uri

int hsm_uri_parse(const char *string, struct hsm_uri *ret_uri, struct fault *f);
void hsm_uri_done(struct hsm_uri *uri);

#endif
