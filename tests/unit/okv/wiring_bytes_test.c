/* okv/wiring: our settings into the bytes of the generic files, and out again. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "conf/assign.h"
#include "conf/settings.h"
#include "okv/wiring.c"
#include "random.h"

enum { FILES = 10000 };

static char *wanted_paths[] = { "/usr/safenet/lunaclient", "/etc/Chrystoki.conf", "/opt/okv-luna",
				"/usr/sbin/okv-luna" };
static char vendor[] = "Thales_Luna", library[] = "/usr/safenet/lunaclient/lib/libCryptoki2_64.so";
static char group[] = "hsmusers", directory[] = "/etc";
static const struct settings wishes = { .vendor_name = vendor, .pkcs11_lib = library, .hsm_group = group };
static const struct wiring_options wanted = {
	.settings = &wishes,
	.config_directory = { .bytes = directory, .length = sizeof(directory) - 1 },
	.preserved = { .paths = wanted_paths, .count = 4 },
};
#define OURS "/usr/safenet/lunaclient:/etc/Chrystoki.conf:/opt/okv-luna:/usr/sbin/okv-luna"
#define KEYS "VENDOR_NAME=\"Thales_Luna\"\nPKCS11_LIB_LOC=\"/usr/safenet/lunaclient/lib/libCryptoki2_64.so\"\n"

static struct text text_of(const char *string)
{
	struct text t = { 0 };
	text_add_string(&t, string);
	return t;
}

static struct text applied(enum wiring_file file, const struct text *now)
{
	struct text out = { 0 };
	struct fault f = { 0 };

	if (wiring_apply(file, now, &wanted, &out, &f) < 0)
		fail_msg("%s", f.text);
	return out;
}

static void assert_applies(enum wiring_file file, const char *before, const char *after)
{
	TEXT_AUTO now = text_of(before);
	TEXT_AUTO out = applied(file, &now);

	assert_string_equal(text_string(&out), after);
}

static void assert_apply_refused(enum wiring_file file, const char *before, const char *part)
{
	TEXT_AUTO now = text_of(before);
	TEXT_AUTO out = { 0 };
	struct fault f = { 0 };

	assert_int_equal(wiring_apply(file, &now, &wanted, &out, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
	assert_int_equal(out.length, 0);
	if (strstr(f.text, part) == NULL)
		fail_msg("'%s' lacks '%s'", f.text, part);
}

static void the_three_keys_are_set_and_the_list_is_a_union(void **state)
{
	(void)state;
	assert_applies(WIRING_CONF, "# stock\nVENDOR_NAME=\"\"\nPKCS11_LIB_LOC=\"\"\nPRESERVED_FILES=\"\"\n# end\n",
		       "# stock\n" KEYS "PRESERVED_FILES=\"" OURS "\"\n# end\n");
	assert_applies(WIRING_CONF, "", KEYS "PRESERVED_FILES=\"" OURS "\"\n");
	assert_applies(WIRING_CONF, KEYS "PRESERVED_FILES=\"/keep:/usr/safenet/lunaclient/lib/x.so:/opt/okv-luna/\"",
		       KEYS "PRESERVED_FILES=\"/keep:/opt/okv-luna/:/usr/safenet/lunaclient:/etc/Chrystoki.conf:/usr/"
			    "sbin/okv-luna\"");
	assert_applies(WIRING_CONF, KEYS "PRESERVED_FILES=\"/usr/safenet\"\n",
		       KEYS "PRESERVED_FILES=\"/usr/safenet:/etc/Chrystoki.conf:/opt/okv-luna:/usr/sbin/okv-luna\"\n");
	/* The operating system's own has to go from the list, so it covers nothing. */
	assert_applies(WIRING_CONF, KEYS "PRESERVED_FILES=\"/usr\"\n", KEYS "PRESERVED_FILES=\"/usr:" OURS "\"\n");
}

static void the_environment_names_the_directory_of_the_configuration(void **state)
{
	(void)state;
	assert_applies(
		WIRING_ENV, "#EXAMPLE_ENV_VAR_NAME=\"EXAMPLE_ENV_VAR_VALUE\"\nA=\"b\"\n",
		"#EXAMPLE_ENV_VAR_NAME=\"EXAMPLE_ENV_VAR_VALUE\"\nA=\"b\"\nChrystokiConfigurationPath=\"/etc\"\n");
	assert_applies(WIRING_ENV, "ChrystokiConfigurationPath=\"/old\"\n", "ChrystokiConfigurationPath=\"/etc\"\n");
}

static void what_leaves_open_which_value_is_read_is_refused(void **state)
{
	(void)state;
	assert_apply_refused(WIRING_CONF, "a=\"b\"\nVENDOR_NAME=Thales\n", "line 2: VENDOR_NAME");
	assert_apply_refused(WIRING_CONF, " export PRESERVED_FILES = \"/x\"\n", "line 1: PRESERVED_FILES");
	assert_apply_refused(WIRING_CONF, "\xef\xbb\xbfVENDOR_NAME=\"x\"\n", "line 1: VENDOR_NAME");
	assert_apply_refused(WIRING_CONF, "PKCS11_LIB_LOC=\"/a\"\nPKCS11_LIB_LOC=\"/b\"\n", "2 times");
	assert_apply_refused(WIRING_ENV, "ChrystokiConfigurationPath=\xe2\x80\x9c/etc\xe2\x80\x9d\n", "typographic");
}

static void a_list_of_4096_characters_is_refused_and_one_less_is_not(void **state)
{
	/* PRESERVED_FILES="/ppp...:OURS" */
	const size_t fixed = strlen("PRESERVED_FILES=\"/:" OURS "\"");
	TEXT_AUTO now = text_of("PRESERVED_FILES=\"/");

	(void)state;
	for (size_t i = 0; i < ASSIGN_LINE_MAX - 1 - fixed; i++)
		text_add_char(&now, 'p');
	text_add_string(&now, "\"\n");
	TEXT_AUTO out = applied(WIRING_CONF, &now);
	const char *line = strstr(out.bytes, "PRESERVED_FILES");
	assert_int_equal(strcspn(line, "\n"), ASSIGN_LINE_MAX - 1);

	now.length -= 2;
	text_add_string(&now, "p\"\n");
	assert_apply_refused(WIRING_CONF, text_string(&now), "fewer than 4096");
}

/* --- and out -------------------------------------------------------------------------------------------------------
 */

static struct text removed(enum wiring_file file, const struct text *now, const struct wiring_record *record)
{
	struct text out = { 0 };
	struct fault f = { 0 };

	if (wiring_remove(file, now, record, &wanted, &out, &f) < 0)
		fail_msg("%s", f.text);
	return out;
}

/* Wires `before`, replaces `old` by `new` as somebody else would, unwires; the outcome must be `left`. */
static void assert_leaves(const char *before, const char *old, const char *new, const char *left)
{
	WIRING_RECORD_AUTO record = { 0 };
	TEXT_AUTO now = { 0 };

	record.known = true;
	record.before = text_of(before);
	record.after = applied(WIRING_CONF, &record.before);
	const char *at = strstr(record.after.bytes, old);
	assert_non_null(at);
	text_add(&now, record.after.bytes, (size_t)(at - record.after.bytes));
	text_add_string(&now, new);
	text_add_string(&now, at + strlen(old));
	TEXT_AUTO out = removed(WIRING_CONF, &now, &record);
	assert_string_equal(text_string(&out), left);
}

static void what_others_edited_since_stays(void **state)
{
	static const char stock[] = "# stock\nVENDOR_NAME=\"\"\nPKCS11_LIB_LOC=\"/old\"\nPRESERVED_FILES=\"\"\n";

	(void)state;
	/* A comment more, a key changed, a key gone, entries more and less. */
	assert_leaves(stock, "# stock\n", "# stock\n# mine\n",
		      "# stock\n# mine\nVENDOR_NAME=\"\"\nPKCS11_LIB_LOC=\"/old\"\nPRESERVED_FILES=\"\"\n");
	assert_leaves(stock, "Thales_Luna", "Other",
		      "# stock\nVENDOR_NAME=\"Other\"\nPKCS11_LIB_LOC=\"/old\"\nPRESERVED_FILES=\"\"\n");
	assert_leaves(stock, "VENDOR_NAME=\"Thales_Luna\"\n", "",
		      "# stock\nPKCS11_LIB_LOC=\"/old\"\nPRESERVED_FILES=\"\"\n");
	assert_leaves(stock, ":/opt/okv-luna", ":/mine:/opt/okv-luna",
		      "# stock\nVENDOR_NAME=\"\"\nPKCS11_LIB_LOC=\"/old\"\nPRESERVED_FILES=\"/mine\"\n");
	assert_leaves("PRESERVED_FILES=\"/a:/b\"\n", "/a:/b:", "/b:/mine:", "PRESERVED_FILES=\"/b:/mine\"\n");
	/* An entry that wiring had dropped because the client covers it comes back. */
	assert_leaves("PRESERVED_FILES=\"/usr/safenet/lunaclient/lib/x.so:/a\"\n",
		      "\"/a:", "\"/a:/mine:", "PRESERVED_FILES=\"/usr/safenet/lunaclient/lib/x.so:/a:/mine\"\n");
	/* Without a list before there is none after, unless somebody put something in. */
	assert_leaves("# none\n", "# none\n", "# still none\n", "# still none\n");
	assert_leaves("# none\n", ":/opt/okv-luna:", ":/mine:", "# none\nPRESERVED_FILES=\"/mine\"\n");
}

static void without_a_record_only_what_is_plainly_ours_goes(void **state)
{
	const struct wiring_record none = { 0 };
	TEXT_AUTO before = text_of("VENDOR_NAME=\"\"\nPRESERVED_FILES=\"/keep\"\n");
	TEXT_AUTO now = applied(WIRING_CONF, &before);
	TEXT_AUTO out = removed(WIRING_CONF, &now, &none);

	(void)state;
	assert_string_equal(
		text_string(&out),
		"VENDOR_NAME=\"Thales_Luna\"\nPRESERVED_FILES=\"/keep:/usr/safenet/lunaclient:/etc/Chrystoki.conf\"\n"
		"PKCS11_LIB_LOC=\"/usr/safenet/lunaclient/lib/libCryptoki2_64.so\"\n");
	TEXT_AUTO environment = text_of("ChrystokiConfigurationPath=\"/etc\"\n");
	TEXT_AUTO same = removed(WIRING_ENV, &environment, &none);
	assert_string_equal(text_string(&same), text_string(&environment));
}

static void a_record_comes_back_as_it_was_printed_and_a_cut_one_is_refused(void **state)
{
	WIRING_RECORD_AUTO record = { 0 };
	TEXT_AUTO bytes = { 0 };
	struct fault f = { 0 };

	(void)state;
	record.known = true;
	text_add(&record.before, "a\0b\n", 4);
	text_add_string(&record.after, "cd");
	wiring_record_print(&record, &bytes);
	for (size_t length = 0; length <= bytes.length; length++) {
		WIRING_RECORD_AUTO back = { 0 };
		const int r = wiring_record_parse(&back, bytes.bytes, length, &f);

		assert_int_equal(r, length == bytes.length ? 0 : -1);
		assert_int_equal(back.known, length == bytes.length);
		if (r == 0) {
			assert_int_equal(back.before.length, 4);
			assert_memory_equal(back.before.bytes, "a\0b\n", 4);
			assert_string_equal(text_string(&back.after), "cd");
		} else {
			assert_int_equal(f.kind, FAULT_REFUSED);
		}
	}
}

static void assert_same(const struct text *a, const struct text *b)
{
	assert_int_equal(a->length, b->length);
	if (a->length > 0)
		assert_memory_equal(a->bytes, b->bytes, a->length);
}

/* Appends a line to a copy, as an administrator would. */
static struct text edited(const struct text *t)
{
	struct text copy = { 0 };

	text_add(&copy, text_string(t), t->length);
	if (copy.length > 0 && copy.bytes[copy.length - 1] != '\n')
		text_add_char(&copy, '\n');
	text_add_string(&copy, "# edited\n");
	return copy;
}

static void applying_twice_is_once_and_removing_gives_back_random_files(void **state)
{
	static const enum wiring_file kinds[] = { WIRING_CONF, WIRING_ENV, WIRING_MID };
	size_t wired = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= FILES; seed++) {
		struct random r = random_from(seed);
		WIRING_RECORD_AUTO record = { 0 };
		TEXT_AUTO again = { 0 };
		struct fault f = { 0 };
		const enum wiring_file file = RANDOM_PICK(&r, kinds);

		if (file == WIRING_MID)
			random_script(&r, &record.before);
		else
			random_assign(&r, &record.before);
		if (random_one_in(&r, 4))
			random_damage(&r, &record.before);
		if (wiring_apply(file, &record.before, &wanted, &record.after, &f) < 0) {
			assert_int_equal(f.kind, FAULT_REFUSED);
			assert_int_equal(record.after.length, 0);
			continue;
		}
		wired++;
		record.known = true;
		assert_int_equal(wiring_apply(file, &record.after, &wanted, &again, &f), 0);
		assert_same(&again, &record.after);
		TEXT_AUTO back = removed(file, &record.after, &record);
		assert_same(&back, &record.before);

		/* With a line of somebody else's, everything but that line is as before. */
		if (file == WIRING_MID)
			continue;
		TEXT_AUTO theirs = edited(&record.after);
		TEXT_AUTO left = removed(file, &theirs, &record);
		TEXT_AUTO expected = edited(&record.before);
		assert_same(&left, &expected);
	}
	assert_true(wired > FILES / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_three_keys_are_set_and_the_list_is_a_union),
		cmocka_unit_test(the_environment_names_the_directory_of_the_configuration),
		cmocka_unit_test(what_leaves_open_which_value_is_read_is_refused),
		cmocka_unit_test(a_list_of_4096_characters_is_refused_and_one_less_is_not),
		cmocka_unit_test(what_others_edited_since_stays),
		cmocka_unit_test(without_a_record_only_what_is_plainly_ours_goes),
		cmocka_unit_test(a_record_comes_back_as_it_was_printed_and_a_cut_one_is_refused),
		cmocka_unit_test(applying_twice_is_once_and_removing_gives_back_random_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
