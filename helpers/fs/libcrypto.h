/*
 * fs/libcrypto: OpenSSL's libcrypto and libssl by dlopen, because an OS upgrade can remove the soname we would link.
 *
 * Promise: any soname will do (1.0.2 to 3.x and later).  The library is opened by full path, so LD_LIBRARY_PATH has no
 * effect; it is chosen at first use and stays loaded for all callers.
 */
#ifndef OKV_FS_LIBCRYPTO_H
#define OKV_FS_LIBCRYPTO_H

#include <stdbool.h>

/* Looks up a function of libcrypto; *ret_function is a function pointer.  False: no library, or no such function. */
bool fs_libcrypto_find(const char *name, void *ret_function);
/* The same for libssl and the libcrypto that it is linked to. */
bool fs_libssl_find(const char *name, void *ret_function);

#endif
