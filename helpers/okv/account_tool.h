/*
 * okv/system: the system's own tools for accounts, for one tree.
 *
 * Promise: with the running system's root the tool is simply run.  Another tree's own tool is run inside that tree
 * (chroot(2)), with that tree's libraries and configuration.  A tree without the tool is no complete system; then ours
 * is run with its option for another root, which does the same chroot but needs nothing there but the account files.
 * (`groupadd --prefix` would do without chroot, but gpasswd has no such option, and shadow 4.1 and 4.2 have neither.)
 */
#ifndef OKV_OKV_ACCOUNT_TOOL_H
#define OKV_OKV_ACCOUNT_TOOL_H

#include "base/fault.h"

enum okv_tool { OKV_GROUPADD, OKV_GROUPDEL, OKV_GPASSWD };

/* `arguments` after the tool's own name, ends with NULL.  FAULT_ABSENT: neither the tree nor we have the tool. */
int okv_tool_run(int root, enum okv_tool tool, const char *const *arguments, unsigned deadline_ms, struct fault *f);

#endif
