/* conf/luna: numbered servers and groups. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "conf/luna.h"

static struct chrystoki parsed(const char *bytes)
{
	struct chrystoki c;
	struct fault f = { 0 };

	assert_int_equal(chrystoki_parse(&c, bytes, strlen(bytes), &f), 0);
	return c;
}

static void assert_prints(const struct chrystoki *c, const char *wanted)
{
	TEXT_AUTO out = { 0 };

	chrystoki_print(c, &out);
	assert_string_equal(text_string(&out), wanted);
}

#define TWO \
	"LunaSA Client = {\n   NetClient = 1;\n   ServerName00 = a;\n   ServerPort00 = 1792;\n   ServerHtl00 = 0;\n" \
	"   ServerName01 = b;\n   ServerPort01 = 1793;\n   ServerHtl01 = 1;\n}\n"

static void a_server_gets_the_next_number(void **state)
{
	CHRYSTOKI_AUTO c = parsed("LunaSA Client = {\n   ServerName00 = a;\n   ServerPort00 = 1792;\n}\n");
	struct fault f = { 0 };
	bool changed;

	(void)state;
	assert_int_equal(luna_server_add(&c, "10.0.0.2", LUNA_PORT_DEFAULT, &changed, &f), 0);
	assert_true(changed);
	assert_prints(&c,
		      "LunaSA Client = {\n   ServerName00 = a;\n   ServerPort00 = 1792;\n   ServerName01 = 10.0.0.2;\n"
		      "   ServerPort01 = 1792;\n}\n");
	assert_int_equal(luna_server_add(&c, "10.0.0.2", LUNA_PORT_DEFAULT, &changed, &f), 0);
	assert_false(changed);
	assert_int_equal(luna_server_add(&c, "two words", 1, &changed, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
}

static void removing_a_server_leaves_no_gap(void **state)
{
	CHRYSTOKI_AUTO c = parsed(TWO);
	struct fault f = { 0 };
	struct luna_servers s;
	bool changed;

	(void)state;
	assert_int_equal(luna_server_remove(&c, "a", &changed, &f), 0);
	assert_true(changed);
	assert_int_equal(luna_servers_read(&c, &s, &f), 0);
	assert_int_equal(s.count, 1);
	assert_int_equal(s.items[0].number, 0);
	assert_string_equal(s.items[0].name, "b");
	assert_string_equal(s.items[0].port, "1793");
	luna_servers_done(&s);
	ptrdiff_t at;
	assert_int_equal(chrystoki_entries(&c, LUNA_CLIENT_SECTION, "ServerHtl00", &at), 1);
	assert_int_equal(chrystoki_entries(&c, LUNA_CLIENT_SECTION, "ServerName01", &at), 0);
	assert_int_equal(luna_server_remove(&c, "a", &changed, &f), 0);
	assert_false(changed);
	assert_int_equal(luna_server_remove(&c, "b", &changed, &f), 0);
	assert_prints(&c, "LunaSA Client = {\n   NetClient = 1;\n}\n");
}

static void a_group_has_the_serial_number_of_its_first_member_behind_a_one(void **state)
{
	CHRYSTOKI_AUTO c = parsed("");
	struct fault f = { 0 };
	struct luna_groups g;
	bool changed;

	(void)state;
	assert_int_equal(luna_group_set(&c, "okv_ha", "154438865290,154438865304", &changed, &f), 0);
	assert_true(changed);
	assert_prints(
		&c,
		"VirtualToken = {\n   VirtualToken00Label = okv_ha;\n   VirtualToken00SN = 1154438865290;\n"
		"   VirtualToken00Members = 154438865290,154438865304;\n}\n\nHASynchronize = {\n   okv_ha = 1;\n}\n");
	assert_int_equal(luna_group_set(&c, "okv_ha", "154438865290,154438865304", &changed, &f), 0);
	assert_false(changed);
	assert_int_equal(luna_group_set(&c, "second", "77", &changed, &f), 0);
	assert_int_equal(luna_groups_read(&c, &g, &f), 0);
	assert_int_equal(g.count, 2);
	assert_int_equal(g.items[1].number, 1);
	assert_string_equal(g.items[1].serial, "177");
	luna_groups_done(&g);
}

static void members_that_are_no_serial_numbers_are_refused(void **state)
{
	static const char *const members[] = { "", ",", "1,", ",1", "1,,2", "1,1", "a", "1 ,2", "-1" };
	CHRYSTOKI_AUTO c = parsed("");
	struct fault f = { 0 };
	bool changed;

	(void)state;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		assert_int_equal(luna_group_set(&c, "x", members[i], &changed, &f), -1);
		assert_int_equal(f.kind, FAULT_REFUSED);
	}
	assert_int_equal(luna_group_set(&c, "", "1", &changed, &f), -1);
	assert_prints(&c, "");
}

static void members_are_told_apart_by_commas_and_blanks_do_not_matter(void **state)
{
	const char *member;

	(void)state;
	assert_int_equal(luna_member(" 12 , 345", 0, &member), 2);
	assert_memory_equal(member, "12", 2);
	assert_int_equal(luna_member(" 12 , 345", 1, &member), 3);
	assert_memory_equal(member, "345", 3);
	assert_int_equal(luna_member(" 12 , 345", 2, &member), 0);
	assert_int_equal(luna_member("", 0, &member), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_gets_the_next_number),
		cmocka_unit_test(removing_a_server_leaves_no_gap),
		cmocka_unit_test(a_group_has_the_serial_number_of_its_first_member_behind_a_one),
		cmocka_unit_test(members_that_are_no_serial_numbers_are_refused),
		cmocka_unit_test(members_are_told_apart_by_commas_and_blanks_do_not_matter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
