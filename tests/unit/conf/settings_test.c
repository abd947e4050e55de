/* conf/settings: okv-luna.conf over the defaults. */
#include "unit.h"

#include "base/text.h"
#include "conf/settings.h"

static int lay(struct settings *s, const char *file, struct fault *f)
{
	return settings_parse(s, "okv-luna.conf", file, strlen(file), f);
}

static void the_defaults_are_those_of_the_manual(void **state)
{
	SETTINGS_AUTO s = { 0 };
	struct fault f = { 0 };

	(void)state;
	MUST(settings_init(&s, &f));
	MUST(lay(&s, "", &f));
	assert_string_equal(s.vendor_name, "Thales_Luna");
	assert_string_equal(s.client_dir, "/usr/safenet/lunaclient");
	assert_string_equal(s.pkcs11_lib, "/usr/safenet/lunaclient/lib/libCryptoki2_64.so");
	assert_string_equal(s.chrystoki_conf, "/etc/Chrystoki.conf");
	assert_string_equal(s.hsm_group, "hsmusers");
	assert_string_equal(s.okv_user, "oracle");
	assert_string_equal(s.okv_group, "oinstall");
	assert_string_equal(s.profile, "guide");
	assert_string_equal(s.token_label, "");
	assert_int_equal(s.min_slots, 1);
	assert_int_equal(s.slot_timeout, 60);
	assert_int_equal(s.bundle_mode, 0600);
	assert_string_equal(s.upgrade_command, "/usr/bin/ruby /images/upgrade.rb --confirm");
}

static void the_shipped_file_says_the_defaults_and_parses_when_uncommented(void **state)
{
	SETTINGS_AUTO shipped = { 0 };
	SETTINGS_AUTO defaults = { 0 };
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
	assert_int_equal(values, 13);
	MUST(settings_init(&shipped, &f));
	MUST(settings_init(&defaults, &f));
	MUST(lay(&shipped, text_string(&file), &f));
	assert_string_equal(shipped.vendor_name, defaults.vendor_name);
	assert_string_equal(shipped.client_dir, defaults.client_dir);
	assert_string_equal(shipped.pkcs11_lib, defaults.pkcs11_lib);
	assert_string_equal(shipped.chrystoki_conf, defaults.chrystoki_conf);
	assert_string_equal(shipped.hsm_group, defaults.hsm_group);
	assert_string_equal(shipped.okv_user, defaults.okv_user);
	assert_string_equal(shipped.okv_group, defaults.okv_group);
	assert_string_equal(shipped.profile, defaults.profile);
	assert_string_equal(shipped.token_label, defaults.token_label);
	assert_int_equal(shipped.min_slots, defaults.min_slots);
	assert_int_equal(shipped.slot_timeout, defaults.slot_timeout);
	assert_int_equal(shipped.bundle_mode, defaults.bundle_mode);
	assert_string_equal(shipped.upgrade_command, defaults.upgrade_command);
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
		 "BUNDLE_MODE=\"0640\"\nUPGRADE_COMMAND=\"/bin/true\"\n",
		 &f));
	assert_string_equal(s.vendor_name, "Luna");
	assert_string_equal(s.chrystoki_conf, "/opt/x.conf");
	assert_string_equal(s.hsm_group, "hsm");
	assert_string_equal(s.okv_user, "okv");
	assert_string_equal(s.okv_group, "dba");
	assert_string_equal(s.profile, "strict");
	assert_string_equal(s.token_label, "a label");
	assert_int_equal(s.min_slots, 0);
	assert_int_equal(s.slot_timeout, 3600);
	assert_int_equal(s.bundle_mode, 0640);
	assert_string_equal(s.upgrade_command, "/bin/true");
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
		{ "PROFILE=\"lax\"", "must be guide or strict" },
		{ "MIN_SLOTS=\"-1\"", "from 0 to 1000" },
		{ "SLOT_TIMEOUT=\"0\"", "from 1 to 3600" },
		{ "BUNDLE_MODE=\"rw\"", "octal mode" },
		{ "UPGRADE_COMMAND=\"ruby\"", "full path of a program" },
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
