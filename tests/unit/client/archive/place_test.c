#include <elf.h>

#include "client/archive/place.h"
#include "base/text.h"
#include "base/hex.h"
#include "unit.h"

static struct place_seen placed(struct place *p, const char *path, const char *content, mode_t mode)
{
	struct place_seen seen = { .machine = 0 };
	struct fault f = { 0 };

	MUST(place_file_begin(p, path, mode, &f));
	MUST(place_file_add(p, path, content, strlen(content), &f));
	MUST(place_file_end(p, path, &seen, &f));
	return seen;
}

static mode_t mode_of(const struct unit_place *place, const char *path)
{
	struct stat status;

	assert_int_equal(fstatat(place->dir, path, &status, AT_SYMLINK_NOFOLLOW), 0);
	return status.st_mode & 07777;
}

static void files_have_their_mode_and_directories_above_them_are_made(void **state)
{
	const struct unit_place *place = *state;
	PLACE_AUTO p = PLACE_INIT(place->dir);
	char hex[HEX_SIZE(SHA256_SIZE)];
	const mode_t mask = umask(0);

	const struct place_seen seen = placed(&p, "deep/er/b", "abc", 0755);
	(void)placed(&p, "deep/c", "c", 0644);
	(void)umask(mask);
	unit_holds(place->dir, "deep/er/b", "abc");
	assert_int_equal(mode_of(place, "deep/er/b"), 0755);
	assert_int_equal(mode_of(place, "deep/c"), 0644);
	assert_int_equal(mode_of(place, "deep"), 0755);
	hex_encode(seen.sha256, SHA256_SIZE, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(seen.mode, 0755);
	assert_int_equal(seen.machine, EM_NONE);
	assert_false(seen.secret);
}

static void a_file_with_a_secret_is_roots_alone_when_it_is_finished(void **state)
{
	const struct unit_place *place = *state;
	PLACE_AUTO p = PLACE_INIT(place->dir);

	const struct place_seen seen = placed(&p, "x.bak", "AuthTokenClientSecret = 1;", 0644);
	assert_true(seen.secret);
	assert_int_equal(seen.mode, 0600);
	assert_int_equal(mode_of(place, "x.bak"), 0600);
	/* The next one is another file. */
	assert_false(placed(&p, "y", "plain", 0644).secret);
}

/* Of content that comes in such pieces. */
static bool has_secret(const char *bytes, size_t length, size_t piece)
{
	PLACE_AUTO p = PLACE_INIT(-1);
	struct place_seen seen = { .machine = 0 };
	struct fault f = { 0 };

	MUST(place_file_begin(&p, "x", 0644, &f));
	for (size_t at = 0; at < length; at += piece)
		MUST(place_file_add(&p, "x", bytes + at, length - at < piece ? length - at : piece, &f));
	MUST(place_file_end(&p, "x", &seen, &f));
	return seen.secret;
}

static void a_private_key_and_a_client_secret_are_found_in_pieces_of_any_size(void **state)
{
	static const char *const texts[] = {
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\nAAAA",
		"REST = {\n   AuthTokenConfigURI = x;\n   AuthTokenClientId = 1;\n   AuthTokenClientSecret = 2;\n}\n",
		"-----BEGIN ENCRYPTED PRIVATE KEY-----",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size_t piece = 1; piece <= strlen(texts[i]); piece++)
			assert_true(has_secret(texts[i], strlen(texts[i]), piece));
}

static void a_certificate_is_no_secret(void **state)
{
	static const char text[] =
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\nAuthTokenClientId = 1;\n";

	(void)state;
	for (size_t piece = 1; piece < sizeof(text); piece++)
		assert_false(has_secret(text, sizeof(text) - 1, piece));
}

static void programs_and_what_is_larger_than_any_settings_are_not_looked_at(void **state)
{
	enum { LOOK_MAX = 1024 * 1024 };
	static const char program[] = "\177ELF-----BEGIN RSA PRIVATE KEY-----";
	static char large[LOOK_MAX + 100];

	(void)state;
	assert_false(has_secret(program, sizeof(program) - 1, sizeof(program)));
	strcpy(large + LOOK_MAX, "PRIVATE KEY-----");
	assert_false(has_secret(large, sizeof(large), 4096));
	strcpy(large + LOOK_MAX / 2, "PRIVATE KEY-----");
	assert_true(has_secret(large, sizeof(large), 4096));
}

static void nothing_that_is_there_is_opened(void **state)
{
	const struct unit_place *place = *state;
	PLACE_AUTO p = PLACE_INIT(place->dir);
	struct fault f;

	unit_write(place->dir, "there", "old", 0644);
	MUST_FAIL(place_file_begin(&p, "there", 0644, &f), FAULT_SYSTEM, "cannot make 'there'");
	assert_int_equal(symlinkat("there", place->dir, "l"), 0);
	MUST_FAIL(place_file_begin(&p, "l", 0644, &f), FAULT_SYSTEM, "cannot make 'l'");
	MUST_FAIL(place_file_begin(&p, "there/x", 0644, &f), FAULT_SYSTEM, "cannot make 'there/x'");
	unit_holds(place->dir, "there", "old");
}

static void copies_are_files_of_their_own_and_links_lead_where_they_say(void **state)
{
	const struct unit_place *place = *state;
	PLACE_AUTO p = PLACE_INIT(place->dir);
	struct fault f = { 0 };
	struct stat status;
	char target[16] = "";

	(void)placed(&p, "a", "content", 0644);
	MUST(place_copy(&p, "d/copy", "a", 0600, &f));
	MUST(place_link(&p, "d/link", "../a", &f));
	unit_holds(place->dir, "d/copy", "content");
	assert_int_equal(mode_of(place, "d/copy"), 0600);
	assert_int_equal(fstatat(place->dir, "d/copy", &status, 0), 0);
	assert_int_equal(status.st_nlink, 1);
	assert_int_equal(readlinkat(place->dir, "d/link", target, sizeof(target)), 4);
	assert_string_equal(target, "../a");
}

static uint16_t machine_of(struct place *p, const char *path, unsigned char class, Elf64_Half type, size_t length)
{
	const Elf64_Ehdr head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, class },
				  .e_type = type,
				  .e_machine = EM_AARCH64 };
	struct place_seen seen = { .machine = 0 };
	struct fault f = { 0 };

	MUST(place_file_begin(p, path, 0755, &f));
	/* In pieces. */
	for (size_t at = 0; at < length; at++)
		MUST(place_file_add(p, path, (const char *)&head + at, 1, &f));
	MUST(place_file_end(p, path, &seen, &f));
	return seen.machine;
}

static void a_library_is_known_by_its_first_bytes(void **state)
{
	PLACE_AUTO p = PLACE_INIT(-1);

	(void)state;
	assert_int_equal(machine_of(&p, "x.so", ELFCLASS64, ET_DYN, sizeof(Elf64_Ehdr)), EM_AARCH64);
	assert_int_equal(machine_of(&p, "x.so", ELFCLASS32, ET_DYN, sizeof(Elf64_Ehdr)), EM_NONE);
	assert_int_equal(machine_of(&p, "x.so", ELFCLASS64, ET_EXEC, sizeof(Elf64_Ehdr)), EM_NONE);
	assert_int_equal(machine_of(&p, "x.so", ELFCLASS64, ET_DYN, sizeof(Elf64_Ehdr) - 1), EM_NONE);
}

static void looking_makes_nothing_and_tells_the_same(void **state)
{
	const struct unit_place *place = *state;
	PLACE_AUTO p = PLACE_INIT(-1);
	char hex[HEX_SIZE(SHA256_SIZE)];
	struct fault f = { 0 };

	const struct place_seen seen = placed(&p, "a", "abc", 0644);
	hex_encode(seen.sha256, SHA256_SIZE, hex);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(seen.mode, 0644);
	MUST(place_directory(&p, "d", &f));
	MUST(place_copy(&p, "b", "a", 0644, &f));
	MUST(place_link(&p, "l", "a", &f));
	assert_false(unit_there(place->dir, "d"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT_IN_PLACE(files_have_their_mode_and_directories_above_them_are_made),
		UNIT_IN_PLACE(a_file_with_a_secret_is_roots_alone_when_it_is_finished),
		cmocka_unit_test(a_private_key_and_a_client_secret_are_found_in_pieces_of_any_size),
		cmocka_unit_test(a_certificate_is_no_secret),
		cmocka_unit_test(programs_and_what_is_larger_than_any_settings_are_not_looked_at),
		UNIT_IN_PLACE(nothing_that_is_there_is_opened),
		UNIT_IN_PLACE(copies_are_files_of_their_own_and_links_lead_where_they_say),
		UNIT_IN_PLACE(a_library_is_known_by_its_first_bytes),
		UNIT_IN_PLACE(looking_makes_nothing_and_tells_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
