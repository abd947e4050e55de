/*
 * proc/worker: the worker's side; it is a program started by proc/child with `worker`.
 *
 * Promise: messages are read whole, one by one, and their bytes are wiped when the reader is done.  Dropping root is
 * permanent (proc/identity.h) and comes after chroot(2) to PROC_CHILD_ROOT, if there is one.  Afterwards the process
 * dies with its parent, and no other process of its new user can trace it.
 */
#ifndef OKV_PROC_WORKER_H
#define OKV_PROC_WORKER_H

#include "base/fault.h"
#include "proc/identity.h"
#include "proc/message.h"

/* Waits for the next message.  FAULT_SYSTEM: the parent has ended, or sent something invalid. */
int proc_worker_read(struct proc_message_reader *reader, struct proc_message *ret_message, struct fault *f);
int proc_worker_become(const struct proc_identity *identity, struct fault *f);
/* Sends the fault to the parent, which takes it as that of a function; returns the exit status. */
int proc_worker_fail(const struct fault *f);

#endif
