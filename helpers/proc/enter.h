/*
 * proc/enter: the steps every child takes between fork(2) and its work.
 *
 * Promise: only async-signal-safe calls (signal-safety(7)); each returns 0 or the errno of what failed.
 */
#ifndef OKV_PROC_ENTER_H
#define OKV_PROC_ENTER_H

/* Every signal at its default and none blocked, whatever the parent had. */
void proc_enter_signals(void);
/*
 * Standard input from `input`, or /dev/null with -1; standard output and error to `output`.  To be called before the
 * root changes: below a bare one there is no /dev/null.
 */
int proc_enter_standard(int input, int output);
/* chroot(2) into the open directory, unless it is -1; the working directory becomes "/" in either case. */
int proc_enter_root(int root);

#endif
