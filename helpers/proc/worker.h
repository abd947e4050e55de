/*
 * proc/worker: in a program that was started as a worker (proc/child.h), its side of things.
 *
 * Promise: messages are read whole, one after the other, and their bytes are wiped when the reader is done.  Giving up
 * root is for good (proc/identity.h), comes after chroot(2) to PROC_CHILD_ROOT where there is one, and leaves a process
 * that dies with its parent and that no other of its new user can trace.
 */
#ifndef OKV_PROC_WORKER_H
#define OKV_PROC_WORKER_H

#include "base/fault.h"
#include "proc/identity.h"
#include "proc/message.h"

/* Waits for the next one; FAULT_SYSTEM: the other side is gone, or does not speak our language. */
int proc_worker_read(struct proc_message_reader *reader, struct proc_message *ret_message, struct fault *f);
int proc_worker_become(const struct proc_identity *identity, struct fault *f);
/* Says why it failed, as a function's fault is said; the exit status. */
int proc_worker_fail(const struct fault *f);

#endif
