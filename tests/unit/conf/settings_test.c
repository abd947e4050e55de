/* conf/settings: okv-luna.conf over the defaults. */
#include "unit.h"

#include "base/text.h"
#include "conf/settings.h"

static int lay(struct settings *s, const char *file, struct fault *f)
{
	return settings_parse(s, "okv-luna.conf", file, strlen(file), f);
}

/* All of them, one a line, so that a test says at one glance what they are. */
static void assert_settings(const struct settings *s, const char *wanted)
{
	TEXT_AUTO shown = { 0 };
	const char *const strings[] = { s->vendor_name, s->client_dir,      s->pkcs11_lib,  s->chrystoki_conf,
					s->hsm_group,   s->okv_user,        s->okv_group,   s->profile,
					s->token_label, s->upgrade_command, s->okv_release, s->client_kind };

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		text_add_format(&shown, "%s\n", strings[i]);
	text_add_format(&shown, "%lu %lu %04o", (unsigned long)s->min_slots, (unsigned long)s->slot_timeout,
			(unsigned)s->bundle_mode);
	assert_string_equal(text_string(&shown), wanted);
}

#define DEFAULTS \
	"Thales_Luna\n/usr/safenet/lunaclient\n/usr/safenet/lunaclient/lib/libCryptoki2_64.so\n/etc/Chrystoki.conf\n" \
	"hsmusers\noracle\noinstall\nguide\n\n/usr/bin/ruby /images/upgrade.rb --confirm\n\n\n1 60 0600"

static void the_defaults_are_those_of_the_manual(void **state)
{
	SETTINGS_AUTO s = { 0 };
	struct fault f = { 0 };

	(void)state;
	MUST(settings_init(&s, &f));
	MUST(lay(&s, "", &f));
	assert_settings(&s, DEFAULTS);
}

static void the_shipped_file_says_the_defaults_and_parses_when_uncommented(void **state)
{
	SETTINGS_AUTO shipped = { 0 };
	TEXT_AUTO file = { 0 };
	struct fault f = { 0 };
	char line[512];

	(void)state;
	/* From the top of the tree or from beside the program: tests/run starts at the top. */
	FILE *in = fopen("payload/etc/okv-luna.conf", "re");
	assert_non_null(in);
	size_t values = 0;
	while (fgets(line, sizeof(line), in) != NULL) {
		const bool value = line[0] == '#' && strchr(line, '=') != NULL && strstr(line, "=\"") != NULL &&
				   strchr(line, ' ') == NULL;
		const bool command = text_starts(line, "#UPGRADE_COMMAND=");
		text_add_string(&file, value || command ? line + 1 : line);
		values += value || command;
	}
	(void)fclose(in);
	assert_int_equal(values, 15);
	MUST(settings_init(&shipped, &f));
	MUST(lay(&shipped, text_string(&file), &f));
	assert_settings(&shipped, DEFAULTS);
}

static void each_name_is_laid_over_its_default(void **state)
{
	SETTINGS_AUTO s = { 0 };
	struct fault f = { 0 };

	(void)state;
	MUST(settings_init(&s, &f));
	MUST(lay(&s,
		 "# ours\n\nVENDOR_NAME=\"Luna\"\nCHRYSTOKI_CONF=\"/opt/x.conf\"\nHSM_GROUP=\"hsm\"\nOKV_USER=\"okv\"\n"
		 "OKV_GROUP=\"dba\"\nPROFILE=\"strict\"\nTOKEN_LABEL=\"a "
		 "label\"\nMIN_SLOTS=\"0\"\nSLOT_TIMEOUT=\"3600\"\n"
		 "BUNDLE_MODE=\"0640\"\nUPGRADE_COMMAND=\"/bin/true\"\nOKV_RELEASE=\"21.5\"\nCLIENT_KIND=\"hybrid\"\n",
		 &f));
	assert_settings(&s,
			"Luna\n/usr/safenet/lunaclient\n/usr/safenet/lunaclient/lib/libCryptoki2_64.so\n/opt/x.conf\n"
			"hsm\nokv\ndba\nstrict\na label\n/bin/true\n21.5\nhybrid\n0 3600 0640");
}

static void the_library_follows_the_client_unless_it_is_set(void **state)
{
	SETTINGS_AUTO follows = { 0 };
	SETTINGS_AUTO stays = { 0 };
	struct fault f = { 0 };

	(void)state;
	MUST(settings_init(&follows, &f));
	MUST(lay(&follows, "CLIENT_DIR=\"/opt/luna\"\n", &f));
	assert_string_equal(follows.pkcs11_lib, "/opt/luna/lib/libCryptoki2_64.so");
	MUST(settings_init(&stays, &f));
	MUST(lay(&stays, "PKCS11_LIB=\"/usr/lib/p.so\"\nCLIENT_DIR=\"/opt/luna\"\n", &f));
	assert_string_equal(stays.pkcs11_lib, "/usr/lib/p.so");
	assert_string_equal(stays.client_dir, "/opt/luna");
}

static void what_is_wrong_is_said_with_file_and_line(void **state)
{
	static const struct {
		const char *line, *words;
	} wrong[] = {
		{ "CLIENT=\"/x\"", "unknown setting 'CLIENT'" },
		{ "vendor_name=\"x\"", "unknown setting 'vendor_name'" },
		{ "VENDOR_NAME=x", "not in double quotes" },
		{ "VENDOR_NAME=\"two words\"", "must be one word" },
		{ "VENDOR_NAME=\"\"", "must be one word" },
		{ "CLIENT_DIR=\"relative\"", "must be a full path" },
		{ "CLIENT_DIR=\"/\"", "must be a full path" },
		{ "CLIENT_DIR=\"\"", "must be a full path" },
		{ "CLIENT_DIR=\"/a/../b\"", "must be a full path" },
		{ "CLIENT_DIR=\"/a/.\"", "must be a full path" },
		{ "CLIENT_DIR=\"/a:/b\"", "must be a full path" },
		{ "CLIENT_DIR=\"/a*\"", "must be a full path" },
		{ "OKV_USER=\"-x\"", "must be a user or group name" },
		{ "OKV_USER=\"0\"", "must be a user or group name" },
		{ "OKV_USER=\"a b\"", "must be a user or group name" },
		{ "HSM_GROUP=\"\"", "must be a user or group name" },
		{ "HSM_GROUP=\"abcdefghijklmnopqrstuvwxyzabcdefg\"", "must be a user or group name" },
		{ "PROFILE=\"lax\"", "must be one of guide|strict" },
		{ "MIN_SLOTS=\"-1\"", "from 0 to 1000" },
		{ "SLOT_TIMEOUT=\"0\"", "from 1 to 3600" },
		{ "BUNDLE_MODE=\"rw\"", "octal mode" },
		{ "UPGRADE_COMMAND=\"ruby\"", "full path of a program" },
		{ "OKV_RELEASE=\"21.x\"", "a release like 21.5" },
		{ "CLIENT_KIND=\"cloud\"", "must be one of network|cloud-min|cloud-full|hybrid" },
		{ "PROFILE=\"guide\"\nPROFILE=\"guide\"", "PROFILE is set twice" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		SETTINGS_AUTO s = { 0 };
		struct fault f = { 0 };
		char file[256];
		MUST(settings_init(&s, &f));
		(void)snprintf(file, sizeof(file), "# one\n\n%s\n", wrong[i].line);
		MUST_FAIL(lay(&s, file, &f), FAULT_REFUSED, wrong[i].words);
		assert_non_null(strstr(f.text, strchr(wrong[i].line, '\n') != NULL ? "okv-luna.conf:4: "
										   : "okv-luna.conf:3: "));
	}
}

static void names_that_only_look_odd_are_taken(void **state)
{
	SETTINGS_AUTO s = { 0 };
	struct fault f = { 0 };

	(void)state;
	MUST(settings_init(&s, &f));
	MUST(lay(&s, "CLIENT_DIR=\"/a/..b/.c/d..\"\nOKV_USER=\"o.k-v_1\"\nTOKEN_LABEL=\"\"\n", &f));
	assert_string_equal(s.client_dir, "/a/..b/.c/d..");
}

static void ending_settings_twice_and_unbegun_is_harmless(void **state)
{
	struct settings s = { 0 };
	struct fault f = { 0 };

	(void)state;
	settings_done(&s);
	MUST(settings_init(&s, &f));
	settings_done(&s);
	settings_done(&s);
	assert_null(s.client_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_defaults_are_those_of_the_manual),
		cmocka_unit_test(the_shipped_file_says_the_defaults_and_parses_when_uncommented),
		cmocka_unit_test(each_name_is_laid_over_its_default),
		cmocka_unit_test(the_library_follows_the_client_unless_it_is_set),
		cmocka_unit_test(what_is_wrong_is_said_with_file_and_line),
		cmocka_unit_test(names_that_only_look_odd_are_taken),
		cmocka_unit_test(ending_settings_twice_and_unbegun_is_harmless),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
