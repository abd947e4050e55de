/*
 * fs/libcrypto: OpenSSL's libcrypto and libssl, opened when wanted, since an OS major takes their sonames away.
 *
 * Promise: one of any soname (1.0.2 to 3.x and what follows), by its full path: LD_LIBRARY_PATH decides nothing.  It is
 * chosen at the first use and kept, for all who ask.
 */
#ifndef OKV_FS_LIBCRYPTO_H
#define OKV_FS_LIBCRYPTO_H

#include <stdbool.h>

/* *ret_function, a pointer to a function, is what the name stands for there; false: no library, or no such name. */
bool fs_libcrypto_find(const char *name, void *ret_function);
/* The same of libssl, and of the libcrypto that it came with. */
bool fs_libssl_find(const char *name, void *ret_function);

#endif
