/* Real pairs, made by openssl(1) at run time: PEM_DIR holds them where the tool is there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/time.h"
#include "conf/pem.h"

static char directory[] = "/tmp/pem-test-XXXXXX";

static void run(const char *command)
{
	char line[600];

	(void)snprintf(line, sizeof(line), "cd %s && { %s; } >/dev/null 2>&1", directory, command);
	assert_int_equal(system(line), 0);
}

static void read_file(const char *name, enum pem_kind kind, struct pem *p)
{
	struct fault f = { 0 };
	char path[200], bytes[20000];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	const size_t n = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	assert_int_equal(pem_read(p, bytes, n, kind, &f), 0);
}

static void pair_check(const char *key, const char *certificate, int fits)
{
	PEM_AUTO k = { .cut = false };
	PEM_AUTO c = { .cut = false };

	read_file(key, PEM_KEY, &k);
	read_file(certificate, PEM_CERTIFICATE, &c);
	assert_true(k.held[PEM_KEY] && c.held[PEM_CERTIFICATE]);
	assert_false(k.cut || c.cut);
	assert_true(k.public_part.length > 20);
	assert_int_equal(text_same(&k.public_part, &c.public_part), fits);
}

static int pairs_make(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(directory));
	run("openssl req -x509 -newkey rsa:1024 -nodes -subj /CN=a -keyout a8.key -out a.pem -days 9");
	run("openssl req -x509 -newkey rsa:1024 -nodes -subj /CN=b -keyout b8.key -out b.pem -days 9");
	run("openssl rsa -in a8.key -traditional -out a1.key || openssl rsa -in a8.key -out a1.key");
	run("openssl rsa -in a8.key -aes128 -passout pass:x -traditional -out old.key");
	run("openssl pkcs8 -topk8 -in a8.key -passout pass:x -out new.key");
	run("openssl ecparam -name prime256v1 -genkey -noout -out e1.key");
	run("openssl pkcs8 -topk8 -nocrypt -in e1.key -out e8.key");
	run("openssl req -x509 -new -key e1.key -subj /CN=e -out e.pem -days 9");
	run("openssl req -new -key a8.key -subj /CN=a -out a.csr");
	run("cat a.pem a1.key >both.pem; head -n 5 a.pem >cut.pem; sed 's/$/\\r/' a.pem >dos.pem");
	run("cat a.pem a1.key b.pem >two.pem");
	run("openssl req -x509 -new -key e1.key -subj /O=x/CN=far -out far.pem -days 30000");
	return 0;
}

static int pairs_remove(void **state)
{
	(void)state;
	run("rm -f -- *");
	return rmdir(directory);
}

static void a_key_and_its_certificate_belong_together(void **state)
{
	(void)state;
	pair_check("a1.key", "a.pem", 1);
	pair_check("a8.key", "a.pem", 1);
	pair_check("a8.key", "dos.pem", 1);
	pair_check("both.pem", "both.pem", 1);
	pair_check("e1.key", "e.pem", 1);
	pair_check("e8.key", "e.pem", 1);
}

static void others_do_not(void **state)
{
	(void)state;
	pair_check("a1.key", "b.pem", 0);
	pair_check("b8.key", "a.pem", 0);
	pair_check("e8.key", "a.pem", 0);
	pair_check("a8.key", "e.pem", 0);
}

static void what_is_encrypted_is_a_key_of_which_nothing_is_known(void **state)
{
	static const char *const names[] = { "old.key", "new.key" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		PEM_AUTO k = { .cut = false };
		read_file(names[i], PEM_KEY, &k);
		assert_true(k.held[PEM_KEY]);
		assert_false(k.cut);
		assert_int_equal(k.public_part.length, 0);
	}
}

static void what_else_a_file_holds_is_told(void **state)
{
	PEM_AUTO request = { .cut = false };
	PEM_AUTO cut = { .cut = false };
	PEM_AUTO none = { .cut = false };
	struct fault f = { 0 };

	(void)state;
	read_file("a.csr", PEM_CERTIFICATE, &request);
	assert_true(request.held[PEM_OTHER] && !request.held[PEM_CERTIFICATE]);
	assert_string_equal(request.other, "CERTIFICATE REQUEST");
	read_file("cut.pem", PEM_CERTIFICATE, &cut);
	assert_true(cut.cut);
	assert_int_equal(pem_read(&none, "words\n-----BEGIN", 16, PEM_KEY, &f), 0);
	assert_true(none.held[PEM_NONE]);
}

static size_t file_bytes(const char *name, char *bytes, size_t size)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	const size_t n = fread(bytes, 1, size, file);
	(void)fclose(file);
	return n;
}

static void a_certificate_tells_its_name_and_days(void **state)
{
	static const char *const names[] = { "a", "b" };
	const int64_t now = time_now(), day = 86400;
	TEXT_AUTO der = { 0 };
	struct pem_certificate c;
	char bytes[20000];
	size_t at = 0;

	(void)state;
	const size_t n = file_bytes("two.pem", bytes, sizeof(bytes));
	for (size_t i = 0; i < 2; i++) {
		assert_true(pem_certificate_next(bytes, n, &at, &der));
		assert_true(pem_certificate_read(der.bytes, der.length, &c));
		assert_string_equal(c.name, names[i]);
		assert_true(c.begins > now - 3600 && c.begins <= now);
		assert_true(c.ends > now + 9 * day - 3600 && c.ends <= now + 9 * day);
	}
	assert_false(pem_certificate_next(bytes, n, &at, &der));
	/* From 2050 on a date has four digits of its year. */
	at = 0;
	const size_t far = file_bytes("far.pem", bytes, sizeof(bytes));
	assert_true(pem_certificate_next(bytes, far, &at, &der));
	assert_true(pem_certificate_read(der.bytes, der.length, &c));
	assert_true(c.ends > now + 29999 * day && c.ends <= now + 30000 * day);
	/* Every cut of it, and every changed byte, is read or refused, never beyond its end. */
	for (size_t i = 0; i < der.length; i++) {
		char *copy = malloc(i + 1);
		assert_non_null(copy);
		memcpy(copy, der.bytes, i);
		(void)pem_certificate_read(copy, i, &c);
		free(copy);
		der.bytes[i] = (char)(der.bytes[i] ^ 0x81);
		(void)pem_certificate_read(der.bytes, der.length, &c);
		der.bytes[i] = (char)(der.bytes[i] ^ 0x81);
	}
	at = 0;
	const size_t request = file_bytes("a.csr", bytes, sizeof(bytes));
	assert_false(pem_certificate_next(bytes, request, &at, &der));
}

/* No length of a real file, and no changed byte of it, is read beyond its end. */
static void damage_is_survived(void **state)
{
	struct fault f = { 0 };
	char path[200], bytes[4096];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/a8.key", directory);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	const size_t n = fread(bytes, 1, sizeof(bytes), file);
	(void)fclose(file);
	for (size_t i = 0; i < n; i++) {
		const char was = bytes[i];
		char *copy = malloc(i + 1);
		PEM_AUTO p = { .cut = false };
		PEM_AUTO q = { .cut = false };

		assert_non_null(copy);
		memcpy(copy, bytes, i);
		assert_int_equal(pem_read(&p, copy, i, PEM_KEY, &f), 0);
		free(copy);
		bytes[i] = was == '/' ? 'A' : '/';
		assert_int_equal(pem_read(&q, bytes, n, i % 2 ? PEM_KEY : PEM_CERTIFICATE, &f), 0);
		bytes[i] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_and_its_certificate_belong_together),
		cmocka_unit_test(others_do_not),
		cmocka_unit_test(what_is_encrypted_is_a_key_of_which_nothing_is_known),
		cmocka_unit_test(what_else_a_file_holds_is_told),
		cmocka_unit_test(a_certificate_tells_its_name_and_days),
		cmocka_unit_test(damage_is_survived),
	};
	return cmocka_run_group_tests(tests, pairs_make, pairs_remove);
}
