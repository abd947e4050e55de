/*
 * bundle/act: the acts of the command, from what was asked for to what is told.
 *
 * Promise: each does its act whole and says in `lines` (for people) and `result` (one JSON object) what it did; a
 * fault leaves what the parts below promise.  The caller has checked that the options belong to the act and that
 * they do not contradict each other, and holds the lock where `bundle_act` says so.
 */
#ifndef OKV_BUNDLE_ACT_H
#define OKV_BUNDLE_ACT_H

#include <limits.h>

#include "base/json.h"
#include "base/option.h"
#include "base/text.h"
#include "bundle/header.h"
#include "bundle/seal.h"
#include "bundle/secret.h"
#include "bundle/tell.h"
#include "conf/settings.h"

/* What was asked for; numbers that were not are 0, texts NULL. */
struct bundle_given {
	const char *out, *file, *passphrase_file, *user, *identity;
	uint64_t max_age, passphrase_fd, iterations, jobs, timeout, port;
	struct option_list ssh_options;
	bool plain, ask, keep_bundle;
};
enum { BUNDLE_FD_NONE = INT_MAX }; /* passphrase_fd when none was given */

struct bundle_act {
	const char *command; /* that the result names */
	int root;
	bool own_root; /* the root is this machine's, so its host name is the kernel's */
	bool dry_run;
	enum bundle_detail detail;
	const struct settings *settings;
	struct report *report;
	const struct bundle_given *given;
	const char *const *operands; /* of the act itself */
	size_t operand_count;
	/* Takes the lock of this product, once, and not with dry_run. */
	int (*lock)(void *holder, struct fault *f);
	void *holder;
	struct text *lines, *result;
};

int bundle_act_seal(const struct bundle_act *act, struct fault *f);
int bundle_act_apply(const struct bundle_act *act, struct fault *f);
int bundle_act_verify(const struct bundle_act *act, struct fault *f);
int bundle_act_send(const struct bundle_act *act, struct fault *f);

/* For the acts themselves. */
void bundle_act_begin(const struct bundle_act *act, struct json *ret_json, const char *name);
/* Only root, and one of us at a time. */
int bundle_act_claim(const struct bundle_act *act, struct fault *f);
struct bundle_source bundle_act_source(const struct bundle_act *act);
/* How to seal this node's bundle; `own_name` is filled here and must live as long. */
int bundle_act_sealing(const struct bundle_act *act, char own_name[BUNDLE_ORIGIN_SIZE], struct bundle_seal *ret_how,
		       struct fault *f);

#endif
