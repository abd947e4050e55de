/* conf/elf: what a shared object asks the loader for, and what keeps it from being loaded. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
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

static void a_whole_library_of_this_machine_has_no_flaw_and_a_cut_one_has(void **state)
{
	TEXT_AUTO bytes = { 0 };
	TEXT_AUTO none = { 0 };

	(void)state;
	file_read("/proc/self/exe", &bytes);
	elf_flaw_add(bytes.bytes, ELF_HEADERS_SIZE, bytes.length, &none);
	assert_string_equal(text_string(&none), "");
	for (size_t size = 0; size < 2 * ELF_HEADERS_SIZE; size += 37) {
		TEXT_AUTO flaw = { 0 };
		elf_flaw_add(bytes.bytes, size < ELF_HEADERS_SIZE ? size : ELF_HEADERS_SIZE, size, &flaw);
		assert_non_null(strstr(text_string(&flaw), size < 64 ? "is not an ELF file" : "is cut off"));
	}
}

static void a_library_of_another_machine_is_named(void **state)
{
	static const struct {
		size_t at;
		char value;
		const char *flaw;
	} cases[] = { { EI_MAG1, 'e', "is not an ELF file, so it is not a library" },
		      { EI_CLASS, ELFCLASS32, "is a 32-bit library, this program needs the 64-bit one" },
		      { EI_DATA, ELFDATA2MSB, "has the wrong byte order for this machine" },
		      { offsetof(Elf64_Ehdr, e_machine), EM_S390, "is for s390 (22), this machine is " } };
	TEXT_AUTO bytes = { 0 };

	(void)state;
	file_read("/proc/self/exe", &bytes);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		TEXT_AUTO flaw = { 0 };
		char copy[ELF_HEADERS_SIZE];
		memcpy(copy, bytes.bytes, sizeof(copy));
		copy[cases[i].at] = cases[i].value;
		elf_flaw_add(copy, sizeof(copy), bytes.length, &flaw);
		assert_int_equal(strncmp(text_string(&flaw), cases[i].flaw, strlen(cases[i].flaw)), 0);
	}
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
		elf_flaw_add(copy, n, n, &found);
		free(copy);
		const char was = bytes.bytes[n];
		bytes.bytes[n] = (char)(was ^ 0xff);
		elf_libraries_read(bytes.bytes, bytes.length, &found, &found);
		elf_flaw_add(bytes.bytes, bytes.length, bytes.length, &found);
		bytes.bytes[n] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(this_program_asks_for_its_libraries),
		cmocka_unit_test(what_is_no_object_asks_for_nothing),
		cmocka_unit_test(a_whole_library_of_this_machine_has_no_flaw_and_a_cut_one_has),
		cmocka_unit_test(a_library_of_another_machine_is_named),
		cmocka_unit_test(damage_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
