/*
 * What the fuzzers of okv_hsm.conf and okv_hsm_env have in common: our settings in and out again, with any bytes.
 */
#ifndef OKV_FUZZ_WIRING_H
#define OKV_FUZZ_WIRING_H

#include <stdlib.h>
#include <string.h>

#include "conf/assign.h"
#include "conf/midupgrade.h"
#include "okv/wiring.c"

static inline void must(bool held)
{
	if (!held)
		abort();
}

static inline bool same(const struct text *a, const struct text *b)
{
	return a->length == b->length && (a->length == 0 || memcmp(a->bytes, b->bytes, a->length) == 0);
}

static inline void mend_check(const struct text *file)
{
	ASSIGN_AUTO a = { 0 };
	ASSIGN_AUTO b = { 0 };
	TEXT_AUTO once = { 0 };
	TEXT_AUTO twice = { 0 };
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	must(assign_parse(&a, text_string(file), file->length, &f) == 0);
	assign_print(&a, &out);
	must(same(&out, file));
	must(assign_fix_file(&a, &once, &f) == 0);
	must(assign_parse(&b, text_string(&once), once.length, &f) == 0);
	must(assign_fix_file(&b, &twice, &f) == 0);
	must(same(&once, &twice));
}

/* Applied twice is applied once; removed is as before, also when somebody added a line. */
static inline void wiring_check(enum wiring_file file, const void *data, size_t size)
{
	static char *paths[] = { "/usr/safenet/lunaclient", "/etc/Chrystoki.conf", "/opt/okv-luna",
				 "/usr/sbin/okv-luna" };
	static char vendor[] = "Thales_Luna", library[] = "/usr/safenet/lunaclient/lib/libCryptoki2_64.so";
	static char group[] = "hsmusers", directory[] = "/etc";
	static const struct settings settings = { .vendor_name = vendor, .pkcs11_lib = library, .hsm_group = group };
	static const struct wiring_options wanted = {
		.settings = &settings,
		.config_directory = { .bytes = directory, .length = sizeof(directory) - 1 },
		.preserved = { .paths = paths, .count = 4 },
	};
	WIRING_RECORD_AUTO record = { 0 };
	WIRING_RECORD_AUTO parsed = { 0 };
	TEXT_AUTO again = { 0 };
	TEXT_AUTO back = { 0 };
	TEXT_AUTO edited = { 0 };
	TEXT_AUTO left = { 0 };
	TEXT_AUTO plain = { 0 };
	TEXT_AUTO bytes = { 0 };
	struct fault f = { 0 };

	text_add(&record.before, data, size);
	mend_check(&record.before);
	if (wiring_apply(file, &record.before, &wanted, &record.after, &f) < 0) {
		must(f.kind == FAULT_REFUSED && record.after.length == 0);
		return;
	}
	record.known = true;
	must(wiring_apply(file, &record.after, &wanted, &again, &f) == 0 && same(&again, &record.after));
	must(wiring_remove(file, &record.after, &record, &wanted, &back, &f) == 0 && same(&back, &record.before));

	text_add_string(&edited, "# theirs\n");
	text_add(&edited, record.after.bytes, record.after.length);
	must(wiring_remove(file, &edited, &record, &wanted, &left, &f) == 0);
	must(left.length >= 9 && memcmp(left.bytes, "# theirs\n", 9) == 0);
	/* A block of ours that was there before is ours all the same, and goes. */
	if (file == WIRING_MID)
		must(midupgrade_remove(text_string(&record.before), record.before.length, &plain, &f) == 0);
	else
		text_add(&plain, record.before.bytes, record.before.length);
	must(left.length >= plain.length + 9);

	wiring_record_print(&record, &bytes);
	must(wiring_record_parse(&parsed, bytes.bytes, bytes.length, &f) == 0);
	must(same(&parsed.before, &record.before) && same(&parsed.after, &record.after));
	record.known = false;
	text_cut(&back, 0);
	must(wiring_remove(file, &record.after, &record, &wanted, &back, &f) == 0);
}

#endif
