#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "okv/needs.c"

static int requests_add(void *context, enum elf_request request, const char *value, struct fault *f)
{
	(void)f;
	text_add_format(context, "%s%s ", request == ELF_PATH ? "path:" : "", value);
	return 0;
}

static void file_read(const char *path, struct text *bytes)
{
	char block[4096];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	for (size_t n; (n = fread(block, 1, sizeof(block), file)) > 0;)
		text_add(bytes, block, n);
	(void)fclose(file);
}

static void this_program_asks_for_its_libraries(void **state)
{
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO found = { 0 };
	struct fault f = { 0 };

	(void)state;
	file_read("/proc/self/exe", &bytes);
	assert_int_equal(elf_requests(text_string(&bytes), bytes.length, requests_add, &found, &f), 0);
	assert_non_null(strstr(text_string(&found), "libc.so.6 "));
	assert_non_null(strstr(text_string(&found), "libcmocka.so"));
}

static void what_is_no_object_asks_for_nothing(void **state)
{
	TEXT_AUTO found = { 0 };
	struct fault f = { 0 };

	(void)state;
	assert_int_equal(elf_requests("library\n", 8, requests_add, &found, &f), 0);
	assert_int_equal(elf_requests("", 0, requests_add, &found, &f), 0);
	assert_int_equal(found.length, 0);
}

/* Cut anywhere in its first pages, and with every byte of its headers changed, it is never read beyond its end. */
static void damage_is_survived(void **state)
{
	TEXT_AUTO bytes = { 0 };
	struct fault f = { 0 };

	(void)state;
	file_read("/proc/self/exe", &bytes);
	for (size_t n = 0; n < 1024; n++) {
		char *copy = malloc(n + 1);
		TEXT_AUTO found = { 0 };

		assert_non_null(copy);
		memcpy(copy, bytes.bytes, n);
		assert_int_equal(elf_requests(copy, n, requests_add, &found, &f), 0);
		free(copy);
		const char was = bytes.bytes[n];
		bytes.bytes[n] = (char)(was ^ 0xff);
		assert_int_equal(elf_requests(bytes.bytes, bytes.length, requests_add, &found, &f), 0);
		bytes.bytes[n] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_program_asks_for_its_libraries),
		cmocka_unit_test(what_is_no_object_asks_for_nothing),
		cmocka_unit_test(damage_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
