/*
 * okv/release: the releases of the operating system and of OKV, as they describe themselves.
 *
 * Promise: never fails; "" is unknown.  The system's name is PRETTY_NAME of os-release(5), else the first line of
 * redhat-release.  Where OKV stores its release is not documented: this looks for the heading of its console screen
 * ("Oracle Key Vault ...") in okv-release and issue below etc/.
 */
#ifndef OKV_OKV_RELEASE_H
#define OKV_OKV_RELEASE_H

#include "base/text.h"

enum { OKV_FIRST_GENERIC = 2103 }; /* 21.3, the first release with generic HSM files */

void okv_release_find(int root, struct text *ret_os, struct text *ret_okv);

#endif
