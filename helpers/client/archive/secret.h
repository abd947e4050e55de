/*
 * client/archive/secret: does a file hold a secret, whatever its name?
 *
 * Promise: finds a private key in PEM and the cloud service's client secret, also where the bytes come in pieces.
 * Programs and libraries, which know these words without a secret behind them, are not looked at (their first bytes
 * tell), nor is what is larger than any file of settings or keys.
 */
#ifndef OKV_CLIENT_ARCHIVE_SECRET_H
#define OKV_CLIENT_ARCHIVE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SECRET_TAIL = 31, SECRET_LOOK_MAX = 1024 * 1024 };

/* Starts as { 0 }. */
struct secret {
	uint64_t passed;
	bool found, is_program;
	size_t tail_length;
	char tail[SECRET_TAIL]; /* the last bytes of the piece before */
};

void secret_look(struct secret *s, const void *bytes, size_t length);

#endif
