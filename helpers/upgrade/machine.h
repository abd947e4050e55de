/*
 * upgrade/machine: which machine this is, and what runs on it.
 *
 * Promise: a machine is told by its DMI UUID where both sides know one, otherwise by its host name; /etc/machine-id
 * does not count, since a new operating system brings a new one.  A clone has another UUID, or another name.  Values
 * that boards give which have none (all digits the same) are none.
 */
#ifndef OKV_UPGRADE_MACHINE_H
#define OKV_UPGRADE_MACHINE_H

#include <stdbool.h>

#include "base/fault.h"
#include "base/text.h"

/* All owned; "" where it is not known; printable ASCII without a double quote. */
struct machine {
	char *uuid, *host;
	char *os;  /* PRETTY_NAME of os-release */
	char *okv; /* OKV's release */
};

#define MACHINE_AUTO __attribute__((cleanup(machine_done))) struct machine

void machine_done(struct machine *m);
/* Fails for lack of memory only. */
int machine_find(int root, struct machine *ret_machine, struct fault *f);
/* Two of which nothing is known are the same. */
bool machine_same(const struct machine *a, const struct machine *b);
/* Has it another operating system or OKV now?  Then what, as a sentence: "this server runs 'B' now, and ran 'A'". */
bool machine_upgraded(const struct machine *before, const struct machine *now, struct text *out);
/* A value fit for NAME="VALUE": NULL for lack of memory. */
char *machine_value(const struct text *t);

#endif
