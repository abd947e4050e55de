/* conf/elf: what a shared object asks the loader for. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/elf.h"

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
	TEXT_AUTO places = { 0 };

	(void)state;
	file_read("/proc/self/exe", &bytes);
	elf_libraries_read(text_string(&bytes), bytes.length, &found, &places);
	assert_non_null(strstr(text_string(&found), "libc.so.6:"));
	assert_non_null(strstr(text_string(&found), "libcmocka.so"));
}

static void what_is_no_object_asks_for_nothing(void **state)
{
	TEXT_AUTO found = { 0 };

	(void)state;
	elf_libraries_read("library\n", 8, &found, &found);
	elf_libraries_read("", 0, &found, &found);
	assert_int_equal(found.length, 0);
}

/* Cut anywhere in its first pages, and with every byte of its headers changed, it is never read beyond its end. */
static void damage_is_survived(void **state)
{
	TEXT_AUTO bytes = { 0 };

	(void)state;
	file_read("/proc/self/exe", &bytes);
	for (size_t n = 0; n < 1024; n++) {
		char *copy = malloc(n + 1);
		TEXT_AUTO found = { 0 };

		assert_non_null(copy);
		memcpy(copy, bytes.bytes, n);
		elf_libraries_read(copy, n, &found, &found);
		free(copy);
		const char was = bytes.bytes[n];
		bytes.bytes[n] = (char)(was ^ 0xff);
		elf_libraries_read(bytes.bytes, bytes.length, &found, &found);
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
