/*
 * bundle/target: where to send to, and the words for the system's ssh.
 *
 * Promise: a node is written [USER@]HOST, [USER@]HOST:PORT, [USER@]IPV6 or [USER@][IPV6]:PORT.  No name can be taken
 * for an option or reach a shell: hosts and users are letters, digits and ". _ : % -", not beginning with "-".
 * Host keys are checked by ssh whatever else is asked for; passwords are between ssh and the terminal.
 */
#ifndef OKV_BUNDLE_TARGET_H
#define OKV_BUNDLE_TARGET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/option.h"
#include "base/text.h"

struct bundle_target {
	const char *node; /* as the caller wrote it; borrowed */
	char user[64], host[256];
	unsigned port; /* 0: ssh's own choice */
};

/* FAULT_USAGE says what is wrong with it. */
int bundle_target_parse(const char *node, struct bundle_target *ret_target, struct fault *f);

/* How to reach every node; a target's own user and port come first. */
struct bundle_ssh {
	const char *user;                  /* never NULL */
	uint64_t port;                     /* 0: ssh's own choice */
	const char *identity;              /* file of a key, or NULL */
	const struct option_list *options; /* NAME=VALUE for ssh -o */
	bool ask;                          /* ssh may ask on the terminal, for a password or about a new host key */
};

/* FAULT_USAGE for an option that would switch the check of host keys off. */
int bundle_ssh_check(const struct bundle_ssh *ssh, struct fault *f);

enum { BUNDLE_SSH_WORDS_MAX = 96 };
/* Words that point into the arguments and into *storage, for as long as these live; ends with NULL. */
struct bundle_ssh_words {
	const char *words[BUNDLE_SSH_WORDS_MAX];
	char port[12];
};
int bundle_ssh_words(const struct bundle_ssh *ssh, const struct bundle_target *target, const char *command,
		     struct bundle_ssh_words *ret_words, struct fault *f);

/*
 * The far side's part: takes exactly `size` bytes from standard input into `path` (a new file, 0600), prints
 * "okvb DIGEST SIZE" of what can be read back, and leaves nothing behind where any of it fails.  `path` has no
 * characters that a shell knows.
 */
void bundle_far_receive(struct text *command, const char *path, uint64_t size);
/* Finds that line in what the far side and ssh printed. */
bool bundle_far_answer(const char *said, char ret_digest[65], uint64_t *ret_size);

#endif
