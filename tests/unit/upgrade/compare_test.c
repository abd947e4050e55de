#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "upgrade/compare.h"

static void file(struct manifest *m, const char *path, uint64_t size, unsigned char digest)
{
	struct fault f = { 0 };
	struct manifest_entry *entry = manifest_add(m, path, NULL, &f);

	entry->type = MANIFEST_FILE;
	entry->has_attributes = entry->has_digest = true;
	entry->mode = 0644;
	entry->size = size;
	memset(entry->digest, digest, sizeof(entry->digest));
}

static void link_to(struct manifest *m, const char *path, const char *target)
{
	struct fault f = { 0 };

	manifest_add(m, path, target, &f)->type = MANIFEST_LINK;
}

static void every_difference_is_told_once_and_in_order(void **state)
{
	(void)state;
	MANIFEST_AUTO old = { 0 };
	MANIFEST_AUTO now = { 0 };
	COMPARE_RESULT_AUTO c = { 0 };
	struct settings settings = { 0 };
	struct fault f = { 0 };

	file(&old, "bytes", 4, 1);
	file(&now, "bytes", 4, 2);
	file(&old, "lost", 4, 1);
	file(&now, "new", 4, 1);
	file(&old, "mode", 4, 1);
	file(&now, "mode", 4, 1);
	now.entries[now.count - 1].mode = 0600;
	file(&old, "same", 4, 1);
	file(&now, "same", 4, 1);
	file(&old, "size", 4, 1);
	file(&now, "size", 5, 1);
	link_to(&old, "target", "a");
	link_to(&now, "target", "b");
	file(&old, "type", 4, 1);
	link_to(&now, "type", "b");
	file(&old, "unread", 4, 1);
	file(&now, "unread", 4, 1);
	now.entries[now.count - 1].has_digest = false;
	assert_int_equal(manifest_sort(&old, &f), 0);
	assert_int_equal(manifest_sort(&now, &f), 0);
	assert_int_equal(settings_init(&settings, &f), 0);
	compare_manifests(&old, &now, &settings, STEP_HIGH, &c);

	assert_string_equal(text_string(&c.others.lines), "'/new' is new (a file)\n");
	assert_string_equal(
		text_string(&c.lost.lines),
		"'/bytes' has other bytes: 4 bytes with SHA-256 020202020202..., before 4 bytes with SHA-256 "
		"010101010101...\n"
		"'/lost' is missing (a file before)\n"
		"'/size' has other bytes: 5 bytes with SHA-256 010101010101..., before 4 bytes with SHA-256 "
		"010101010101...\n"
		"'/target' leads to 'b', before to 'a'\n"
		"'/type' is a link, before a file\n"
		"'/unread' could not be read now\n");
	assert_int_equal(c.same, 2);
	assert_int_equal(c.attributes, 1);
	assert_int_equal(c.lost.count, 6);
	assert_int_equal(c.others.count, 1);
	settings_done(&settings);
}

static void what_a_client_is_must_be_as_it_was(void **state)
{
	(void)state;
	struct settings s = { 0 };
	struct fault f = { 0 };
	static const struct {
		const char *path;
		enum step_severity severity;
	} table[] = {
		{ "etc/Chrystoki.conf", STEP_HIGH },
		{ "usr/safenet/lunaclient/lib/libCryptoki2_64.so", STEP_HIGH },
		{ "usr/safenet/lunaclient/cert/client/okvKey.pem", STEP_HIGH },
		{ "usr/safenet/lunaclient/database", STEP_HIGH },
		{ "usr/safenet/lunaclient/data", STEP_INFO },
		{ "usr/safenet/lunaclient/data/lock/x", STEP_INFO },
		{ "usr/safenet/lunaclient/configData/token/001/token.db", STEP_LOW },
		{ "opt/okv-luna/libexec/okv-luna-slots", STEP_LOW },
		{ "opt/okv-luna/etc/okv-luna.conf", STEP_MEDIUM },
		{ "opt/okv-luna-not", STEP_HIGH },
	};

	assert_int_equal(settings_init(&s, &f), 0);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		for (int is_new = 0; is_new <= 1; is_new++) {
			for (enum step_severity most = STEP_LOW; most <= STEP_HIGH; most += STEP_HIGH - STEP_LOW) {
				MANIFEST_AUTO there = { 0 };
				const struct manifest none = { 0 };
				COMPARE_RESULT_AUTO c = { 0 };
				file(&there, table[i].path, 1, 1);
				compare_manifests(is_new ? &none : &there, is_new ? &there : &none, &s, most, &c);
				const enum step_severity said = c.lost.count > 0 ? STEP_HIGH : c.others.severity;
				const enum step_severity must = is_new ? STEP_INFO : table[i].severity;
				assert_int_equal(said, must < most ? must : most);
				assert_int_equal(c.lost.count + c.others.count, 1);
			}
		}
	}
	settings_done(&s);
}

static void slots_are_the_same_by_label_and_serial_number(void **state)
{
	(void)state;
	struct snapshot_slot old[] = { { 0, "a", "1", "m" }, { 1, "b", "2", "m" } };
	struct snapshot_slot now[] = { { 7, "b", "2", "other" }, { 8, "a", "1", "m" }, { 9, "c", "3", "m" } };
	const struct snapshot_slots two = { .items = old, .count = 2 }, three = { .items = now, .count = 3 };

	assert_null(compare_slots(&two, &three));
	now[0].serial[0] = '9';
	assert_ptr_equal(compare_slots(&two, &three), &old[1]);
	now[0].serial[0] = '2';
	now[0].label[0] = 'x';
	assert_ptr_equal(compare_slots(&two, &three), &old[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_difference_is_told_once_and_in_order),
		cmocka_unit_test(what_a_client_is_must_be_as_it_was),
		cmocka_unit_test(slots_are_the_same_by_label_and_serial_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
