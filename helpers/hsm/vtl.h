/*
 * hsm/vtl: what the vendor's own tool says, and where it differs from the library.
 *
 * Promise: runs CLIENT_DIR/bin/vtl (or bin/64/vtl) `listslots` where it is there, as the same user, with the same
 * environment and within the same time as the library was asked; a program that others than root can write is not
 * run.  Its exit status means nothing, so its table is read.  Slots are compared by serial number.
 */
#ifndef OKV_HSM_VTL_H
#define OKV_HSM_VTL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "hsm/probe.h"
#include "hsm/table.h"

struct hsm_vtl {
	char *file; /* owned; NULL: no vtl is installed */
	int status;
	bool late;
	bool table_found;
	struct hsm_row *rows; /* owned */
	size_t count;
	struct text differences; /* one per line; empty: both say the same */
};

#define HSM_VTL_INIT \
	{ \
		.file = NULL, .status = -1, .differences = { 0 } \
	}
#define HSM_VTL_AUTO __attribute__((cleanup(hsm_vtl_done))) struct hsm_vtl

/* Fails where it could not be run, not for what it says. */
int hsm_vtl_run(const struct hsm_question *question, const struct hsm_answer *answer, struct hsm_vtl *ret_vtl,
		struct fault *f);
void hsm_vtl_done(struct hsm_vtl *vtl);
void hsm_vtl_json(const struct hsm_vtl *vtl, struct json *j);

#endif
