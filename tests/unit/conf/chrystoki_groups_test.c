/* conf/chrystoki_groups: numbered servers and groups, and whether they add up. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "conf/chrystoki_groups.h"

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

/* Whether that call, which must succeed, changes the file. */
#define CHANGES(c, call) \
	__extension__({ \
		TEXT_AUTO before_ = { 0 }; \
		chrystoki_print((c), &before_); \
		assert_int_equal((call), 0); \
		!text_same(&before_, &(c)->file); \
	})

static void a_server_gets_the_next_number(void **state)
{
	CHRYSTOKI_AUTO c = parsed("LunaSA Client = {\n   ServerName00 = a;\n   ServerPort00 = 1792;\n}\n");
	struct fault f = { 0 };

	(void)state;
	assert_true(CHANGES(&c, chrystoki_server_add(&c, "10.0.0.2", CHRYSTOKI_PORT_DEFAULT, &f)));
	assert_prints(&c,
		      "LunaSA Client = {\n   ServerName00 = a;\n   ServerPort00 = 1792;\n   ServerName01 = 10.0.0.2;\n"
		      "   ServerPort01 = 1792;\n}\n");
	assert_false(CHANGES(&c, chrystoki_server_add(&c, "10.0.0.2", CHRYSTOKI_PORT_DEFAULT, &f)));
	assert_int_equal(chrystoki_server_add(&c, "two words", 1, &f), -1);
	assert_int_equal(f.kind, FAULT_REFUSED);
}

static void removing_a_server_leaves_no_gap(void **state)
{
	CHRYSTOKI_AUTO c = parsed(TWO);
	struct fault f = { 0 };

	(void)state;
	assert_true(CHANGES(&c, chrystoki_server_remove(&c, "a", &f)));
	assert_prints(&c, "LunaSA Client = {\n   NetClient = 1;\n   ServerName00 = b;\n   ServerPort00 = 1793;\n"
			  "   ServerHtl00 = 1;\n}\n");
	assert_false(CHANGES(&c, chrystoki_server_remove(&c, "a", &f)));
	assert_int_equal(chrystoki_server_remove(&c, "b", &f), 0);
	assert_prints(&c, "LunaSA Client = {\n   NetClient = 1;\n}\n");
}

static void a_group_has_the_serial_number_of_its_first_member_behind_a_one(void **state)
{
	CHRYSTOKI_AUTO c = parsed("");
	struct fault f = { 0 };
	struct chrystoki_family g;

	(void)state;
	assert_true(CHANGES(&c, chrystoki_group_set(&c, "okv_ha", "154438865290,154438865304", &f)));
	assert_prints(
		&c,
		"VirtualToken = {\n   VirtualToken00Label = okv_ha;\n   VirtualToken00SN = 1154438865290;\n"
		"   VirtualToken00Members = 154438865290,154438865304;\n}\n\nHASynchronize = {\n   okv_ha = 1;\n}\n");
	assert_false(CHANGES(&c, chrystoki_group_set(&c, "okv_ha", "154438865290,154438865304", &f)));
	assert_int_equal(chrystoki_group_set(&c, "second", "77", &f), 0);
	chrystoki_family_read(&c, CHRYSTOKI_GROUPS, &g);
	assert_int_equal(g.count, 2);
	assert_int_equal(g.items[1].number, 1);
	assert_string_equal(g.items[1].parts[CHRYSTOKI_SERIAL], "177");
}

static void members_that_are_no_serial_numbers_are_refused(void **state)
{
	static const char *const members[] = { "", ",", "1,", ",1", "1,,2", "1,1", "a", "1 ,2", "-1" };
	CHRYSTOKI_AUTO c = parsed("");
	struct fault f = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		assert_int_equal(chrystoki_group_set(&c, "x", members[i], &f), -1);
		assert_int_equal(f.kind, FAULT_REFUSED);
	}
	assert_int_equal(chrystoki_group_set(&c, "", "1", &f), -1);
	assert_prints(&c, "");
}

static void members_are_told_apart_by_commas_and_blanks_do_not_matter(void **state)
{
	static const char *const wanted[] = { "12", "345", "", "6" };
	static const char members[] = " 12 , 345,,6", none[] = "";
	struct chrystoki_member member;
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		assert_true(chrystoki_member_next(members, &at, &member));
		assert_true(text_equal(member.name, member.length, wanted[i]));
	}
	assert_false(chrystoki_member_next(members, &at, &member));
	at = 0;
	assert_true(chrystoki_member_next(none, &at, &member));
	assert_int_equal(member.length, 0);
	assert_false(chrystoki_member_next(none, &at, &member));
	at = 0;
	assert_false(chrystoki_member_next(NULL, &at, &member));
}

#define GROUP(label, serial, members) \
	"VirtualToken = {\nVirtualToken00Label = " label ";\nVirtualToken00SN = " serial ";\n" \
	"VirtualToken00Members = " members ";\n}\n"
#define SECOND(label, serial, members) \
	"VirtualToken = {\nVirtualToken01Label = " label ";\nVirtualToken01SN = " serial ";\n" \
	"VirtualToken01Members = " members ";\n}\nHASynchronize = {\nb = 1;\n}\n"
#define NAMED(server) "LunaSA Client = {\nServerName00 = " server ";\nServerPort00 = 1792;\n}\n"
#define LONG          "a123456789b123456789c123456789d123456789e123456789f123456789g123."
#define SERVER        "LunaSA Client = {\nServerName00 = a;\nServerPort00 = 1792;\n}\n"
#define SOUND         "HASynchronize = {\na = 1;\n}\nHAConfiguration = {\nHAOnly = 1;\nreconnAtt = -1;\n}\n" SERVER

/* Each file, and the words of all that is said about it. */
static void what_does_not_add_up_is_found_and_nothing_else(void **state)
{
	static const struct {
		const char *file, *words;
	} rows[] = {
		{ "", "server-none " },
		{ "LunaSA Client = {\nNetClient = 1;\n}\nXTC = {\nEnabled = 1;\n}\n", "server-none " },
		{ "REST = {\nServerName = ;\n}\n", "server-none " },
		{ "REST = {\nServerName = a;\n}\n", "" },
		{ "REST = {\nPartitionData00 = 1, a, 443;\n}\n", "" },
		{ "LunaSA Client = {\nLNHServer00 = a;\n}\n", "" },
		{ "LunaSA Client = {\nLNHServer00 = ;\n}\n", "server-none " },
		{ "Misc = {\nServerName00 = a;\nServerPort00 = 1;\n}\n", "chrystoki-misplaced " },
		{ SERVER "HASynchronize = {\nHAOnly = 1;\n}\n", "chrystoki-misplaced " },
		{ SERVER "HAConfiguration = {\nHAOnly = 0;\n}\n", "" }, /* there is no group that it is about */
		{ SERVER "HAConfiguration = {\nHAOnly = disabled;\n}\n", "" },
		{ SERVER "HAConfiguration = {\nHAOnly = 1;\n}\n", "ha-only-alone " },
		{ TWO, "" },
		{ "LunaSA Client = {\nServerName01 = a;\n}\n", "server-gap server-port " },
		{ "LunaSA Client = {\nServerName00 = ;\nServerPort00 = 65536;\n}\n", "server-empty server-port " },
		{ "LunaSA Client = {\nServerName00 = a;\nServerPort00 = 0;\n}\n", "server-port " },
		{ NAMED("10.0.0.1"), "" },
		{ NAMED("2001:db8::7"), "" },
		{ NAMED("fe80::1%eth0"), "" },
		{ NAMED("hsm_1.example.net"), "" },
		{ NAMED("<HSM>"), "server-name " },
		{ NAMED("a:1792"), "server-name " },
		{ NAMED("a/b"), "server-name " },
		{ NAMED("300.1.1.1"), "server-name " },
		{ NAMED("10.0.0.256"), "server-name " },
		{ NAMED("1.2.3.4.5"), "server-name " },
		{ NAMED("hsm.example.1"), "server-name " },
		{ NAMED("a..b"), "server-name " },
		{ NAMED("a%b"), "server-name " },
		{ NAMED("fe80::g"), "server-name " },
		{ NAMED("1:2:3"), "server-name " },
		{ NAMED("10.0.0.255"), "" },
		{ NAMED("hsm-1.example.com."), "" },
		{ NAMED("2001:db8::1"), "" },
		{ NAMED("fe80::1%eth0"), "" },
		{ NAMED("4hsm"), "" },
		{ NAMED("a,b"), "server-name " },
		{ NAMED("a b"), "server-name " },
		{ NAMED("h\xc3\xb6st"), "server-name " },
		{ NAMED(LONG LONG LONG LONG), "server-name " },
		{ "REST = {\nServerName01 = a;\n}\n", "" },
		{ "REST = {\nServerName = a:443;\n}\n", "server-name " },
		{ "REST = {\nServerName = a/b;\nServerPort = 443;\n}\n", "server-name " },
		{ "REST = {\nServerName = a;\nServerPort = https;\n}\n", "server-port " },
		{ "REST = {\nServerName = a;\nServerPort = 443;\n}\n", "" },
		{ "LunaSA Client = {\nLNHServer00 = <HSM>;\nLNHServer01 = b;\n}\n", "server-name " },
		{ "LunaSA Client = {\nServerName1 = a;\nServerName002 = b;\nServerNameXY = c;\n}\n", "server-none " },
		{ GROUP("a", "11", "1,2") SOUND, "" },
		{ GROUP("a", "11", " 1 , 2") SOUND, "" },
		{ GROUP("a", "12", "1,2") SOUND, "ha-serial " },
		{ GROUP("a", "1", "1,2") SOUND, "ha-serial " },
		{ GROUP("a", "", "1,2") SOUND, "ha-serial " },
		{ GROUP("a", "11", "1") SOUND, "ha-member-single " },
		{ GROUP("a", "11", "1,2,1") SOUND, "ha-member-twice " },
		{ GROUP("a", "11", "1,,2") SOUND, "ha-member-number " },
		{ GROUP("a", "11", "1,2x") SOUND, "ha-member-number " },
		{ GROUP("a", "11", "") SOUND, "ha-no-members " },
		{ GROUP("b", "11", "1,2") SOUND, "ha-synchronize " },
		{ GROUP("", "11", "1,2") SOUND, "ha-label " },
		{ GROUP("a123456789012345678901234567890123", "11", "1,2") SOUND, "ha-label " },
		{ GROUP("a", "11", "1,2") SECOND("b", "13", "3,4") SOUND, "" },
		{ GROUP("a", "11", "1,2") SECOND("a", "13", "3,4") SOUND, "ha-twice " },
		{ GROUP("a", "11", "1,2") SECOND("b", "11", "1,4") SOUND, "ha-twice " },
		{ GROUP("a", "11", "1,2") SECOND("b", "13", "3, 2") SOUND, "ha-twice " },
		{ "VirtualToken = {\nVirtualToken01Label = a;\nVirtualToken01SN = 11;\n"
		  "VirtualToken01Members = 1,2;\n}\n" SOUND,
		  "ha-gap " },
		{ "VirtualToken = {\nVirtualToken00Label = a;\n}\n" SOUND, "ha-entry-missing ha-entry-missing " },
		{ GROUP("a", "11", "1,2") SERVER, "ha-synchronize ha-only ha-recovery " },
		{ GROUP("a", "11", "1,2") SOUND "HAConfiguration = {\nAutoReconnectInterval = 59;\n}\n"
						"VirtualToken = {\nVirtualTokenActiveRecovery = x;\n}\n",
		  "ha-interval ha-recovery-mode " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CHRYSTOKI_AUTO c = parsed(rows[i].file);
		FINDING_LIST_AUTO found = { .file = "Chrystoki.conf" };
		TEXT_AUTO words = { 0 };

		chrystoki_groups_evaluate(&c, &found);
		assert_false(found.failed);
		for (size_t j = 0; j < found.count; j++) {
			text_add_format(&words, "%s ", found.items[j].rule);
			assert_non_null(found.items[j].remedy);
		}
		assert_string_equal(text_string(&words), rows[i].words);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_gets_the_next_number),
		cmocka_unit_test(removing_a_server_leaves_no_gap),
		cmocka_unit_test(a_group_has_the_serial_number_of_its_first_member_behind_a_one),
		cmocka_unit_test(members_that_are_no_serial_numbers_are_refused),
		cmocka_unit_test(members_are_told_apart_by_commas_and_blanks_do_not_matter),
		cmocka_unit_test(what_does_not_add_up_is_found_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
