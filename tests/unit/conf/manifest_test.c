#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "conf/manifest.h"

static struct manifest_entry *add(struct manifest *m, const char *path, enum manifest_type type)
{
	struct fault f = { 0 };
	struct manifest_entry *entry = manifest_add(m, path, type == MANIFEST_LINK ? "to here" : NULL, &f);

	assert_non_null(entry);
	entry->type = type;
	return entry;
}

static void assert_refused(const char *bytes, const char *part)
{
	MANIFEST_AUTO m = { 0 };
	struct fault f = { 0 };

	assert_int_equal(manifest_parse(&m, "manifest", bytes, strlen(bytes), &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
	if (strstr(f.text, part) == NULL)
		fail_msg("'%s' lacks '%s'", f.text, part);
	assert_int_equal(m.count, 0);
}

static void prints_what_it_parses_and_parses_what_it_prints(void **state)
{
	(void)state;
	MANIFEST_AUTO m = { 0 };
	MANIFEST_AUTO again = { 0 };
	TEXT_AUTO first = { 0 };
	TEXT_AUTO second = { 0 };
	struct fault f = { 0 };
	static const char odd[] = "usr/odd name\n#\\*\x7f\xc3\xa9=";

	add(&m, "", MANIFEST_DIR);
	add(&m, "usr", MANIFEST_DIR);
	struct manifest_entry *file = add(&m, odd, MANIFEST_FILE);
	file->has_attributes = file->has_digest = true;
	file->uid = 4294967294U;
	file->gid = 986;
	file->mode = 02664;
	file->size = 1234567890123;
	for (unsigned i = 0; i < MANIFEST_DIGEST_SIZE; i++)
		file->digest[i] = (unsigned char)(i * 37);
	add(&m, "usr/link", MANIFEST_LINK)->has_attributes = true;
	add(&m, "usr/socket", MANIFEST_OTHER)->has_attributes = true;
	assert_int_equal(manifest_sort(&m, &f), 0);

	manifest_print(&m, "made by a test\nsecond line", &first);
	assert_int_equal(manifest_parse(&again, "m", first.bytes, first.length, &f), 0);
	assert_int_equal(again.count, 5);
	manifest_print(&again, "made by a test\nsecond line", &second);
	assert_string_equal(text_string(&first), text_string(&second));
	assert_non_null(
		strstr(text_string(&first), "./usr/odd\\040name\\012\\043\\134\\052\\177\\303\\251\\075 type=file"));

	const struct manifest_entry *found = manifest_find(&again, odd);
	assert_non_null(found);
	assert_int_equal(found->uid, 4294967294U);
	assert_int_equal(found->mode, 02664);
	assert_true(found->size == 1234567890123);
	assert_memory_equal(found->digest, manifest_find(&m, found->path)->digest, MANIFEST_DIGEST_SIZE);
	assert_string_equal(manifest_find(&again, "usr/link")->target, "to here");
}

static void a_directory_stands_before_what_is_in_it(void **state)
{
	(void)state;
	MANIFEST_AUTO m = { 0 };
	struct fault f = { 0 };
	static const char *const wanted[] = { "", "a", "a/b", "a/b/c", "a/b.c", "a!", "a.b", "b" };

	for (size_t i = sizeof(wanted) / sizeof(wanted[0]); i-- > 0;)
		add(&m, wanted[i], MANIFEST_DIR);
	assert_int_equal(manifest_sort(&m, &f), 0);
	for (size_t i = 0; i < m.count; i++)
		assert_string_equal(m.entries[i].path, wanted[i]);
	for (size_t i = 0; i < m.count; i++)
		assert_ptr_equal(manifest_find(&m, wanted[i]), &m.entries[i]);
	assert_null(manifest_find(&m, "a/"));
	add(&m, "a", MANIFEST_FILE);
	assert_int_equal(manifest_sort(&m, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
}

static void refuses_with_the_line_number(void **state)
{
	(void)state;

	assert_refused("", "empty");
	assert_refused("#other\n", "not a manifest of okv-luna");
	assert_refused("#mtree\n. type=dir\n./a type=file", ":3: the last line is incomplete");
	assert_refused("#mtree\n. type=dir\n./a\n", ":3: not a line that okv-luna writes");
	assert_refused("#mtree\n./a type=pipe\n", ":2:");
	assert_refused("#mtree\n/a type=file\n", ":2:");
	assert_refused("#mtree\n./../a type=file\n", ":2:");
	assert_refused("#mtree\n./a/./b type=file\n", ":2:");
	assert_refused("#mtree\n./a//b type=file\n", ":2:");
	assert_refused("#mtree\n./a/ type=file\n", ":2:");
	assert_refused("#mtree\n./a\\000b type=file\n", ":2:");
	assert_refused("#mtree\n./a\\141 type=file\n", ":2:");
	assert_refused("#mtree\n./a\\9 type=file\n", ":2:");
	assert_refused("#mtree\n./a  type=file\n", ":2:");
	assert_refused("#mtree\n./a type=file \n", ":2:");
	assert_refused("#mtree\n./a type=file uid=0 gid=0 mode=644 size=0\n", ":2:");
	assert_refused("#mtree\n./a type=file uid=0 gid=0 mode=0888 size=0\n", ":2:");
	assert_refused("#mtree\n./a type=file uid=00 gid=0 mode=0644 size=0\n", ":2:");
	assert_refused("#mtree\n./a type=file uid=4294967296 gid=0 mode=0644 size=0\n", ":2:");
	assert_refused("#mtree\n./a type=file uid=0 gid=0 mode=0644\n", ":2:");
	assert_refused("#mtree\n./a type=file sha256=ABCD\n", ":2:");
	assert_refused("#mtree\n./a type=link\n", ":2:");
	assert_refused("#mtree\n./a type=dir link=b\n", ":2:");
	assert_refused("#mtree\n./a type=dir\n./a type=dir\n", "named twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prints_what_it_parses_and_parses_what_it_prints),
		cmocka_unit_test(a_directory_stands_before_what_is_in_it),
		cmocka_unit_test(refuses_with_the_line_number),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
