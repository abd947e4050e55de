/* bundle/header: what is accepted, what is refused, and that what is printed can be parsed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bundle/header.h"

#define SHA    "0000000000000000000000000000000000000000000000000000000000000001"
#define SALT16 "AAECAwQFBgcICQoLDA0ODw=="
#define NONCE  "AAECAwQFBgcICQoL"

/* One value for each member, in the order of the page. */
static const char *const names[] = { "origin",     "created", "size",   "sha256", "kdf",
				     "iterations", "salt",    "cipher", "nonce" };
static const char *const values[] = { "\"okv1\"",       "\"2026-01-31T23:59:59Z\"", "1024",
				      "\"" SHA "\"",    "\"pbkdf2-hmac-sha256\"",   "600000",
				      "\"" SALT16 "\"", "\"aes-256-gcm\"",          "\"" NONCE "\"" };
enum { COUNT = sizeof(names) / sizeof(names[0]) };

/* The header with `value` for member `which`. */
static void header_with(size_t which, const char *value, struct text *out)
{
	text_add_string(out, BUNDLE_MAGIC "{");
	for (size_t i = 0; i < COUNT; i++)
		text_add_format(out, "%s\"%s\":%s", i > 0 ? "," : "", names[i], i == which ? value : values[i]);
	text_add_string(out, "}\n");
}

static int parse(const struct text *t, struct bundle_header *h, struct fault *f)
{
	size_t length = 0;
	const int r = bundle_header_parse(t->bytes, t->length, h, &length, f);

	if (r == 0)
		assert_int_equal(length, t->length);
	return r;
}

static void assert_refused(const char *bytes, size_t length, const char *why)
{
	struct fault f = { 0 };
	struct bundle_header h;
	size_t taken = 77;

	memset(&h, 0x5a, sizeof(h));
	const struct bundle_header before = h;
	if (bundle_header_parse(bytes, length, &h, &taken, &f) == 0)
		fail_msg("taken: %s", bytes);
	assert_int_equal(f.kind, FAULT_REFUSED);
	if (strstr(f.text, why) == NULL)
		fail_msg("'%s' does not say '%s'", f.text, why);
	/* Outputs are untouched on failure. */
	assert_int_equal(taken, 77);
	assert_memory_equal(&h, &before, sizeof(h));
}

static void a_header_to_the_letter_is_taken(void **state)
{
	TEXT_AUTO t = { 0 };
	struct fault f = { 0 };
	struct bundle_header h;

	(void)state;
	header_with(COUNT, "", &t);
	assert_int_equal(parse(&t, &h, &f), 0);
	assert_string_equal(h.origin, "okv1");
	assert_int_equal(h.created, 1769903999);
	assert_int_equal(h.size, 1024);
	assert_int_equal(h.sha256[31], 1);
	assert_int_equal(h.iterations, 600000);
	assert_int_equal(h.salt_length, 16);
	assert_int_equal(h.salt[15], 15);
	assert_int_equal(h.nonce[11], 11);
}

static void printing_and_parsing_are_inverse(void **state)
{
	struct fault f = { 0 };
	struct bundle_header h, again;

	(void)state;
	for (size_t salt = BUNDLE_SALT_LEAST; salt <= BUNDLE_SALT_MOST; salt++) {
		TEXT_AUTO t = { 0 };
		memset(&h, 0, sizeof(h));
		strcpy(h.origin, "a \"quoted\" \\ name");
		h.created = (int64_t)salt * 123456789;
		h.size = salt * UINT64_C(1000000000);
		h.iterations = BUNDLE_ITERATIONS_LEAST + (uint32_t)salt;
		h.salt_length = salt;
		for (size_t i = 0; i < salt; i++)
			h.salt[i] = (unsigned char)(i * 37 + salt);
		for (size_t i = 0; i < sizeof(h.nonce); i++)
			h.nonce[i] = (unsigned char)(255 - i * salt);
		for (size_t i = 0; i < sizeof(h.sha256); i++)
			h.sha256[i] = (unsigned char)(i * salt);
		assert_int_equal(bundle_header_print(&h, &t, &f), 0);
		assert_int_equal(parse(&t, &again, &f), 0);
		assert_memory_equal(&h, &again, sizeof(h));
	}
}

static void the_freedoms_of_json_stay(void **state)
{
	static const char *const good[] = {
		/* another order, blanks and TABs, escapes */
		BUNDLE_MAGIC "\t{ \"nonce\" : \"" NONCE "\",\"salt\":\"" SALT16 "\",\"iterations\":10000000 ,\"kdf\":"
			     "\"pbkdf2-hmac-sha256\", \"cipher\":\"\\u0061es-256-gcm\",\"sha256\":\"" SHA
			     "\",\"size\":1,"
			     "\"created\":\"2026-01-31T23:59:59.123456789Z\",\"ori\\u0067in\":\"okv\\/1\\u0022\"} \n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct fault f = { 0 };
		struct bundle_header h;
		size_t length;
		if (bundle_header_parse(good[i], strlen(good[i]), &h, &length, &f) < 0)
			fail_msg("%s", f.text);
		assert_string_equal(h.origin, "okv/1\"");
		assert_int_equal(h.created, 1769903999);
	}
}

static void a_value_beyond_its_bounds_is_refused_by_name(void **state)
{
	static const struct {
		size_t which;
		const char *value;
	} bad[] = {
		{ 0, "\"\"" },
		{ 0, "1" },
		{ 0, "null" },
		{ 0, "\"a\tb\"" },
		{ 0, "\"a\\nb\"" },
		{ 0, "\"a\\u0000\"" },
		{ 0, "\"\\u00e4\"" },
		{ 0, "\"\xc3\xa4\"" },
		{ 0, "\"\\x41\"" },
		{ 0, "\"\\u12\"" },
		{ 0, "[\"okv1\"]" },
		{ 1, "\"2026-01-31T23:59:59\"" },
		{ 1, "\"2026-01-31T23:59:59+00:00\"" },
		{ 1, "\"2026-02-29T00:00:00Z\"" },
		{ 1, "\"2026-13-01T00:00:00Z\"" },
		{ 1, "\"2026-01-31 23:59:59Z\"" },
		{ 1, "\"2026-01-31T24:00:00Z\"" },
		{ 1, "\"2026-1-31T23:59:59Z\"" },
		{ 1, "\"2026-01-31t23:59:59z\"" },
		{ 1, "\"1969-12-31T23:59:59Z\"" },
		{ 1, "\"2026-01-31T23:59:59.Z\"" },
		{ 1, "\"2026-01-31T23:59:59.1234567890Z\"" },
		{ 1, "1769903999" },
		{ 2, "0" },
		{ 2, "-1" },
		{ 2, "1.0" },
		{ 2, "1e3" },
		{ 2, "01" },
		{ 2, "\"1024\"" },
		{ 2, "68719476705" },
		{ 2, "18446744073709551617" },
		{ 2, "0x10" },
		{ 2, "" },
		{ 2, "null" },
		{ 2, "+1" },
		{ 2, "{}" },
		{ 3, "\"\"" },
		{ 3, "\"00\"" },
		{ 3, "\"" SHA "0\"" },
		{ 3, "\"000000000000000000000000000000000000000000000000000000000000000A\"" },
		{ 3, "\"000000000000000000000000000000000000000000000000000000000000000g\"" },
		{ 4, "\"PBKDF2-HMAC-SHA256\"" },
		{ 4, "\"scrypt\"" },
		{ 4, "\"\"" },
		{ 4, "true" },
		{ 5, "599999" },
		{ 5, "1" },
		{ 5, "0" },
		{ 5, "10000001" },
		{ 5, "6e5" },
		{ 5, "4295567296" },
		{ 5, "\"600000\"" },
		{ 6, "\"AAECAwQFBgcICQoLDA0O\"" },     /* 15 bytes */
		{ 6, "\"AAECAwQFBgcICQoLDA0ODx==\"" }, /* unused bits that are not zero */
		{ 6, "\"AAECAwQFBgcICQoLDA0ODw\"" },
		{ 6, "\"AAECAwQFBgcICQoLDA0ODw=\"" },
		{ 6, "\"AAEC=wQFBgcICQoLDA0ODw==\"" },
		{ 6, "\"AAECAwQFBgcICQoLDA0OD_==\"" },
		{ 6, "\"AAECAwQFBgcICQoLDA0O Dw=\"" },
		{ 6, "\"\"" },
		/* 65 bytes */
		{ 6, "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"" },
		{ 7, "\"aes-128-gcm\"" },
		{ 7, "\"AES-256-GCM\"" },
		{ 7, "\"aes-256-gcm \"" },
		{ 8, "\"AAECAwQFBgcICQoLDA==\"" },
		{ 8, "\"AAECAwQFBgcICQo=\"" },
		{ 8, "\"AAECAwQFBgcICQoLDA\"" },
		{ 8, "\"=AAECAwQFBgcICQoL\"" },
		{ 8, "\" AAECAwQFBgcICQoL\"" },
		{ 8, "\"AAECAwQFBgcICQoL \"" },
		{ 8, "\"AAECAwQFBgcICQo=L\"" },
		{ 8, "\"AAEC=AwQFBgcICQoL\"" },
		{ 8, "\"A===\"" },
		{ 8, "\"====\"" },
		{ 8, "\"\"" },
		{ 8, "12" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		TEXT_AUTO t = { 0 };
		char why[64];
		header_with(bad[i].which, bad[i].value, &t);
		(void)snprintf(why, sizeof(why), "'%s' in the header is not", names[bad[i].which]);
		assert_refused(t.bytes, t.length, why);
	}
}

static void each_member_once_and_no_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		TEXT_AUTO lacking = { 0 };
		TEXT_AUTO twice = { 0 };
		char why[64];
		text_add_string(&lacking, BUNDLE_MAGIC "{");
		text_add_string(&twice, BUNDLE_MAGIC "{");
		for (size_t k = 0, n = 0; k < COUNT; k++) {
			if (k != i)
				text_add_format(&lacking, "%s\"%s\":%s", n++ > 0 ? "," : "", names[k], values[k]);
			text_add_format(&twice, "\"%s\":%s,", names[k], values[k]);
		}
		text_add_string(&lacking, "}\n");
		text_add_format(&twice, "\"%s\":%s}\n", names[i], values[i]);
		(void)snprintf(why, sizeof(why), "lacks '%s'", names[i]);
		assert_refused(lacking.bytes, lacking.length, why);
		(void)snprintf(why, sizeof(why), "has '%s' twice", names[i]);
		assert_refused(twice.bytes, twice.length, why);
	}
	TEXT_AUTO more = { 0 };
	header_with(8, "\"" NONCE "\",\"note\":1", &more);
	assert_refused(more.bytes, more.length, "unknown member 'note'");
	/* Names in JSON are case-sensitive. */
	TEXT_AUTO capital = { 0 };
	header_with(8, "\"" NONCE "\",\"Origin\":\"okv1\"", &capital);
	assert_refused(capital.bytes, capital.length, "unknown member 'Origin'");
}

static void what_is_no_object_on_one_line_is_refused(void **state)
{
	static const struct {
		const char *bytes, *why;
	} bad[] = {
		{ "", "not a sealed bundle" },
		{ "OKVB1", "not a sealed bundle" },
		{ "OKVB1\r\n{}\n", "not a sealed bundle" },
		{ "okvb1\n{}\n", "not a sealed bundle" },
		{ "\xef\xbb\xbfOKVB1\n{}\n", "not a sealed bundle" },
		{ "OKVB2\n{}\n", "version 2" },
		{ "OKVB10\n{}\n", "version 10" },
		{ "OKVB0\n{}\n", "version 0" },
		{ "OKVBx\n{}\n", "not a sealed bundle" },
		{ "OKVB1\n", "ends within its header" },
		{ "OKVB1\n{}", "ends within its header" },
		{ "OKVB1\n\n", "not a JSON object" },
		{ "OKVB1\n[]\n", "not a JSON object" },
		{ "OKVB1\n{}\n", "not a JSON object" },
		{ "OKVB1\n{,}\n", "not a JSON object" },
		{ "OKVB1\n{\"origin\"}\n", "not a JSON object" },
		{ "OKVB1\n{\"origin\":\"a\",}\n", "not a JSON object" },
		{ "OKVB1\n{\"origin\":\"a\"\n", "not a complete JSON object" },
		{ "OKVB1\n{\"origin\":\"a\" \"size\":1}\n", "not a complete JSON object" },
		{ "OKVB1\n{\"origin\":\"a\n", "'origin' in the header" },
		{ "OKVB1\n{'origin':'a'}\n", "not a JSON object" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(bad[i].bytes, strlen(bad[i].bytes), bad[i].why);

	TEXT_AUTO after = { 0 };
	header_with(8, "\"" NONCE "\"}{", &after);
	assert_refused(after.bytes, after.length, "more text after");
	TEXT_AUTO carriage = { 0 };
	header_with(8, "\"" NONCE "\"}\r", &carriage);
	assert_refused(carriage.bytes, carriage.length, "more text after");
	TEXT_AUTO nul = { 0 };
	header_with(COUNT, "", &nul);
	nul.bytes[nul.length - 3] = '\0';
	assert_refused(nul.bytes, nul.length, "'nonce' in the header");
}

static void line_two_has_at_most_4096_bytes(void **state)
{
	struct bundle_header h;
	struct fault f = { 0 };
	size_t length = 0;

	(void)state;
	TEXT_AUTO plain = { 0 };
	header_with(COUNT, "", &plain);
	const size_t line = plain.length - BUNDLE_MAGIC_SIZE - 1;
	for (size_t more = 0; more < 2; more++) {
		TEXT_AUTO t = { 0 };
		text_add(&t, plain.bytes, plain.length - 1);
		for (size_t i = line; i < BUNDLE_LINE_MAX + more; i++)
			text_add_char(&t, ' ');
		text_add_char(&t, '\n');
		if (more == 0) {
			assert_int_equal(bundle_header_parse(t.bytes, t.length, &h, &length, &f), 0);
			assert_int_equal(length, BUNDLE_HEADER_MAX);
		} else {
			assert_refused(t.bytes, t.length, "longer than 4096");
			/* The caller passes at most BUNDLE_HEADER_MAX bytes. */
			assert_refused(t.bytes, BUNDLE_HEADER_MAX, "longer than 4096");
		}
	}
}

static void a_header_cut_off_anywhere_is_refused(void **state)
{
	TEXT_AUTO t = { 0 };

	(void)state;
	header_with(COUNT, "", &t);
	for (size_t length = 0; length < t.length; length++) {
		/* Memory of its own, so that a sanitizer sees a read beyond its end. */
		char *copy = malloc(length + 1);
		assert_non_null(copy);
		memcpy(copy, t.bytes, length);
		copy[length] = '\0';
		assert_refused(copy, length, "");
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_to_the_letter_is_taken),
		cmocka_unit_test(printing_and_parsing_are_inverse),
		cmocka_unit_test(the_freedoms_of_json_stay),
		cmocka_unit_test(a_value_beyond_its_bounds_is_refused_by_name),
		cmocka_unit_test(each_member_once_and_no_other),
		cmocka_unit_test(what_is_no_object_on_one_line_is_refused),
		cmocka_unit_test(line_two_has_at_most_4096_bytes),
		cmocka_unit_test(a_header_cut_off_anywhere_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
