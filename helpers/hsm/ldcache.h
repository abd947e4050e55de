/*
 * hsm/ldcache: etc/ld.so.cache, as ldconfig(8) writes it since glibc 2.2.
 *
 * Promise: reads bytes that it does not trust; a damaged cache has no entries.  Only entries for this machine's
 * libraries are given.
 */
#ifndef OKV_HSM_LDCACHE_H
#define OKV_HSM_LDCACHE_H

#include <stddef.h>

/*
 * The path of the next entry of that name, or NULL.  *at is 0 for the first call and belongs to this function then.
 * The string lies in the bytes.
 */
const char *hsm_ldcache_next(const void *bytes, size_t length, const char *name, size_t *at);

#endif
