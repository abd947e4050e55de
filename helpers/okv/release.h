/*
 * okv/release: which operating system and which OKV this is, in the words that they use of themselves.
 *
 * Promise: never fails; what is not known is "".  The system's name is PRETTY_NAME of os-release(5), else the first
 * line of redhat-release.  Where an appliance keeps OKV's release is not documented: the line that its screen is headed
 * with ("Oracle Key Vault ...") is looked for, in okv-release and issue below etc/.
 */
#ifndef OKV_OKV_RELEASE_H
#define OKV_OKV_RELEASE_H

#include "base/text.h"

enum { OKV_FIRST_GENERIC = 2103 }; /* 21.3, the first release with generic HSM files */

void okv_release_find(int root, struct text *ret_os, struct text *ret_okv);

#endif
