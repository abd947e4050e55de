/*
 * fs/exchange: two names change places in one step.
 *
 * Promise: at any instant each name leads to one of the two (RENAME_EXCHANGE of renameat2(2), Linux 3.15).  Where
 * kernel, file system or a filter of system calls does not have it, the answer says so and nothing has changed: the
 * caller takes the way that costs an instant, and recovers from what a kill leaves there.
 */
#ifndef OKV_FS_EXCHANGE_H
#define OKV_FS_EXCHANGE_H

enum fs_exchange_result {
	FS_EXCHANGED,
	FS_EXCHANGE_MISSING, /* no such call here */
	FS_EXCHANGE_FAILED,  /* errno says why */
};

enum fs_exchange_result fs_exchange(int one_dir, const char *one, int other_dir, const char *other);

#endif
