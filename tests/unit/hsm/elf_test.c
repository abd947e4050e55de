/* hsm/elf, hsm/needed and hsm/ldcache: a library and what it needs, without running a byte of it. */
#include <elf.h>
#include <link.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fs/read.h"
#include "hsm/elf.h"
#include "hsm/file.h"
#include "hsm/ldcache.h"
#include "hsm/needed.h"
#include "unit.h"

/* This very program's C library is a shared library that is surely there. */
static const char *libc_path(void)
{
	static char path[4096];
	struct link_map *map = _r_debug.r_map;

	for (; map != NULL; map = map->l_next)
		if (strstr(map->l_name, "/libc.so.6") != NULL)
			(void)snprintf(path, sizeof(path), "%s", map->l_name);
	assert_true(path[0] == '/');
	return path;
}

/* Libraries of the test's own, made by the compiler that is here anyway. */
static void build(const struct unit_place *place, const char *command)
{
	char line[1024];

	(void)snprintf(line, sizeof(line), "cd %s && umask 022 && %s", place->path, command);
	if (system(line) != 0)
		fail_msg("this failed: %s", line);
}

static int read_elf(int dir, const char *name, const char *symbol, struct hsm_elf *elf, struct fault *f)
{
	FS_AUTO int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return hsm_elf_read(fd, name, symbol, elf, f);
}

static void a_symbol_is_found_by_either_hash_table_if_it_is_defined(void **state)
{
	const struct unit_place *place = *state;
	static const char *const styles[] = { "gnu", "sysv", "both" };
	struct fault f = { 0 };

	build(place, "echo 'int C_GetFunctionList(void); int C_GetFunctionList(void) { return 0; }"
		     " int puts(const char *); int used(void); int used(void) { return puts(\"\"); }' >a.c");
	for (size_t i = 0; i < 3; i++) {
		char command[128];
		(void)snprintf(command, sizeof(command), "cc -shared -fPIC -Wl,--hash-style=%s -o a.so a.c", styles[i]);
		build(place, command);
		HSM_ELF_AUTO elf = { 0 };
		MUST(read_elf(place->dir, "a.so", "C_GetFunctionList", &elf, &f));
		assert_true(elf.has_symbol);
		hsm_elf_done(&elf);
		MUST(read_elf(place->dir, "a.so", "C_GetFunctionLisu", &elf, &f));
		assert_false(elf.has_symbol);
		hsm_elf_done(&elf);
		/* Named, but somebody else's. */
		MUST(read_elf(place->dir, "a.so", "puts", &elf, &f));
		assert_false(elf.has_symbol);
	}
}

static void needed_libraries_soname_and_run_path_are_read(void **state)
{
	const struct unit_place *place = *state;
	HSM_ELF_AUTO elf = { 0 };
	struct fault f = { 0 };

	build(place, "echo >e.c && cc -shared -fPIC -Wl,-soname,libb.so.7 -o libb.so.7 e.c &&"
		     " cc -shared -fPIC -Wl,--no-as-needed -Wl,-soname,liba.so.3 '-Wl,-rpath,$ORIGIN/x:/y'"
		     " -o a.so e.c libb.so.7");
	MUST(read_elf(place->dir, "a.so", "x", &elf, &f));
	assert_string_equal(elf.soname, "liba.so.3");
	assert_string_equal(elf.runpath, "$ORIGIN/x:/y");
	assert_true(elf.needed_count >= 2);
	assert_string_equal(elf.needed[0], "libb.so.7");
	assert_string_equal(elf.needed[elf.needed_count - 1], "libc.so.6");
}

/* Reads bytes as a file. */
static int read_bytes(const void *bytes, size_t length, struct fault *f)
{
	HSM_ELF_AUTO elf = { 0 };
	FS_AUTO int fd = (int)syscall(SYS_memfd_create, "elf", 0U);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, length), length);
	return hsm_elf_read(fd, "it", "C_GetFunctionList", &elf, f);
}

static void damage_anywhere_in_the_first_pages_is_refused_or_harmless(void **state)
{
	const struct unit_place *place = *state;
	TEXT_AUTO whole = { 0 };
	struct fault f = { 0 };
	unsigned refused = 0;

	build(place, "echo 'int C_GetFunctionList(void); int C_GetFunctionList(void) { return 0; }' >a.c &&"
		     " cc -shared -fPIC -o a.so a.c");
	MUST(fs_read_file(place->dir, "a.so", FS_NOFOLLOW, 1 << 20, &whole, NULL, &f));
	MUST(read_bytes(whole.bytes, whole.length, &f));
	for (size_t at = 0; at < whole.length && at < 1024; at++) {
		static const unsigned char values[] = { 0x00, 0xff, 0x80 };
		const char was = whole.bytes[at];
		for (size_t i = 0; i < sizeof(values); i++) {
			f = (struct fault){ 0 };
			whole.bytes[at] = (char)values[i];
			if (read_bytes(whole.bytes, whole.length, &f) < 0) {
				assert_int_equal(f.kind, FAULT_REFUSED);
				refused++;
			}
		}
		whole.bytes[at] = was;
	}
	assert_true(refused > 100);
	for (size_t length = 0; length < 1024; length += 7)
		MUST_FAIL(read_bytes(whole.bytes, length, &f), FAULT_REFUSED, "'it'");
}

static int check(const struct unit_place *place, const char *name, struct fault *f)
{
	HSM_FILE_AUTO file = HSM_FILE_INIT;
	HSM_ELF_AUTO elf = { 0 };

	if (hsm_file_open(place->dir, name, &file, f) < 0 || hsm_elf_read(file.fd, name, "x", &elf, f) < 0)
		return -1;
	return hsm_needed_check(place->dir, file.place.path, &elf, f);
}

static void libraries_are_looked_for_where_the_dynamic_linker_would(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	assert_int_equal(fchmod(place->dir, 0755), 0);
	build(place, "mkdir -p lib64 plain odd && echo >e.c &&"
		     " cc -shared -fPIC -Wl,-soname,libthree.so -o odd/libthree.so e.c &&"
		     " cc -shared -fPIC -Wl,--no-as-needed -Wl,-soname,libtwo.so '-Wl,-rpath,$ORIGIN/../odd'"
		     " -o plain/libtwo.so e.c odd/libthree.so &&"
		     " cc -shared -fPIC -Wl,--no-as-needed -Wl,--allow-shlib-undefined -o one.so e.c plain/libtwo.so");
	/* libc is this process's own. */
	MUST_FAIL(check(place, "/one.so", &f), FAULT_ABSENT,
		  "library 'libtwo.so', which '/one.so' needs, is not installed");
	build(place, "cp plain/libtwo.so lib64/");
	/* The system's directory, and from there its own run path. */
	MUST(check(place, "/one.so", &f));
	build(place, "mv odd/libthree.so libthree.gone");
	MUST_FAIL(check(place, "/one.so", &f), FAULT_ABSENT,
		  "library 'libthree.so', which '/lib64/libtwo.so' needs, is not installed");
	build(place, "mv libthree.gone odd/libthree.so && chmod 0666 odd/libthree.so");
	MUST_FAIL(check(place, "/one.so", &f), FAULT_REFUSED, "'libthree.so' is needed by '/lib64/libtwo.so': ");
	build(place, "chmod 0644 odd/libthree.so && mv lib64/libtwo.so plain/ && mkdir etc");
	MUST_FAIL(check(place, "/one.so", &f), FAULT_ABSENT, "libtwo.so");
	/* A cache that this system's ldconfig writes. */
	build(place, "echo /plain >etc/ld.so.conf && /sbin/ldconfig -r . -f /etc/ld.so.conf -C /etc/ld.so.cache -X");
	MUST(check(place, "/one.so", &f));
}

static void a_library_of_another_class_is_passed_over_as_the_linker_does(void **state)
{
	const struct unit_place *place = *state;
	struct fault f = { 0 };

	assert_int_equal(fchmod(place->dir, 0755), 0);
	build(place,
	      "mkdir -p first second && echo >e.c && cc -shared -fPIC -Wl,-soname,libx.so -o second/libx.so e.c &&"
	      " cp second/libx.so first/ &&"
	      " printf '\\001' | dd of=first/libx.so bs=1 seek=4 conv=notrunc status=none &&"
	      " cc -shared -fPIC -Wl,--no-as-needed '-Wl,-rpath,$ORIGIN/first:$ORIGIN/second' -o one.so e.c"
	      " second/libx.so");
	MUST(check(place, "/one.so", &f));
	build(place, "rm second/libx.so");
	MUST_FAIL(check(place, "/one.so", &f), FAULT_ABSENT, "libx.so");
}

static void the_systems_own_cache_names_the_c_library(void **state)
{
	TEXT_AUTO cache = { 0 };
	struct fault f = { 0 };
	size_t at = 0;

	(void)state;
	FS_AUTO int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(fs_read_file(root, "/etc/ld.so.cache", FS_FOLLOW_TRUSTED, 16 << 20, &cache, NULL, &f));
	const char *found = hsm_ldcache_next(cache.bytes, cache.length, "libc.so.6", &at);
	assert_non_null(found);
	assert_string_equal(strrchr(found, '/'), strrchr(libc_path(), '/'));
	at = 0;
	assert_null(hsm_ldcache_next(cache.bytes, cache.length, "libc.so.66", &at));
	/* Cut anywhere it has no entries, or whole ones. */
	for (size_t length = 0; length < cache.length; length += 97) {
		at = 0;
		found = hsm_ldcache_next(cache.bytes, length, "libc.so.6", &at);
		assert_true(found == NULL || found + strlen(found) < cache.bytes + length);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(a_symbol_is_found_by_either_hash_table_if_it_is_defined),
		UNIT_IN_PLACE(needed_libraries_soname_and_run_path_are_read),
		UNIT_IN_PLACE(damage_anywhere_in_the_first_pages_is_refused_or_harmless),
		UNIT_IN_PLACE(libraries_are_looked_for_where_the_dynamic_linker_would),
		UNIT_IN_PLACE(a_library_of_another_class_is_passed_over_as_the_linker_does),
		cmocka_unit_test(the_systems_own_cache_names_the_c_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
