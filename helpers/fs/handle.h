/*
 * fs/handle: descriptors that close themselves.
 *
 * FS_AUTO int fd = -1;  closes at the end of the block; fs_take(&fd) hands it over.
 */
#ifndef OKV_FS_HANDLE_H
#define OKV_FS_HANDLE_H

#define FS_AUTO __attribute__((cleanup(fs_close)))

/* Closes *fd unless negative, sets it to -1, keeps errno. */
void fs_close(int *fd);
/* Returns *fd and leaves -1 behind. */
int fs_take(int *fd);

#endif
