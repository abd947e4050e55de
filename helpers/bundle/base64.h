/*
 * bundle/base64: base64 (RFC 4648, section 4), as libcrypto has it.
 *
 * Promise: strict both ways, as far as libcrypto is; whoever wants one spelling only compares with what encoding gives.
 */
#ifndef OKV_BUNDLE_BASE64_H
#define OKV_BUNDLE_BASE64_H

#include <stddef.h>

#include "base/fault.h"

/* FAULT_ABSENT, with the package, where there is no libcrypto; the other two are called after it. */
int bundle_base64_find(struct fault *f);
/* Four characters for three bytes, and a NUL. */
void bundle_base64_encode(const unsigned char *bytes, size_t length, char *ret_string);
/* The length, with the bytes that padding stands for; -1 where it is none. */
int bundle_base64_decode(const char *string, unsigned char *ret_bytes);

#endif
